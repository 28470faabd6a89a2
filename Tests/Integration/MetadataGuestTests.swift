// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A guest reads its metadata with Debian's curl, on a machine that one of Firecracker's
/// configuration files describes.
@Suite(
    .serialized,
    .enabled(
        if: NetworkNamespace.isPossible && Image.isAvailable,
        "needs root, /dev/net/tun, ip of iproute2 and debootstrap"))
struct MetadataGuestTests {
    private static let address = "http://169.254.169.254"

    /// What runs of the guest's first program printed, and the metrics behind it.
    private struct Reading {
        let lines: [String]
        /// A line says what was counted since the one before.
        let metrics: [[String: Any]]

        func number(_ group: String, _ name: String) -> Int {
            metrics.reduce(0) { sum, line in
                sum + (((line[group] as? [String: Any])?[name] as? Int) ?? 0)
            }
        }
    }

    /// Boots the image with a script as its first program.
    private func run(version: String, _ script: String) throws -> Reading {
        let space = try NetworkNamespace()
        try space.set(["tuntap", "add", "dev", "mmds0", "mode", "tap"])
        try space.set(["link", "set", "mmds0", "up"])
        let image = try Image("ext4")
        func path(_ name: String) -> String { space.folder.appending(path: name).path }
        let setUp =
            "mount -t proc p /proc; ip address add 172.16.0.2/24 dev eth0; ip link set eth0 up;"
            + " ip route add 169.254.169.254 dev eth0; "
        // The end of the first program is the kernel's, which restarts at once and forgets what the
        // serial port was still to be given.
        let arguments =
            "console=ttyS0 quiet panic=-1 reboot=k init=/bin/sh -- -c \\\"\(setUp)\(script); sleep 2\\\""
        let config = """
            {"boot-source": {"kernel_image_path": "\(try Built.file("bin/guest/vmlinux"))",
                "boot_args": "\(arguments)"},
             "machine-config": {"vcpu_count": 1, "mem_size_mib": 256},
             "drives": [{"drive_id": "rootfs", "path_on_host": "\(image.path)",
                "is_root_device": true, "is_read_only": true}],
             "network-interfaces": [{"iface_id": "eth0", "host_dev_name": "mmds0",
                "guest_mac": "06:00:ac:10:00:02"}],
             "vsock": {"guest_cid": 3, "uds_path": "\(path("vsock"))"},
             "mmds-config": {"version": "\(version)", "network_interfaces": ["eth0"]},
             "metrics": {"metrics_path": "\(path("metrics"))"}}
            """
        let metadata = #"{"latest":{"meta-data":{"ami-id":"ami-1","tags":{"name":"swift"}}}}"#
        try Data(config.utf8).write(to: URL(filePath: path("config")))
        try Data(metadata.utf8).write(to: URL(filePath: path("metadata")))
        let result = try space.run(
            try Built.file("bin/swiftlet-vmm"), "--no-api", "--engine", "soft", "--config-file",
            path("config"), "--metadata", path("metadata"), "--level", "Error")
        #expect(result.status == 0, "\(result.errorText)\(result.outputText.suffix(2000))")
        let metrics = try String(contentsOfFile: path("metrics"), encoding: .utf8)
        let lines = result.outputText.split { $0 == "\n" || $0 == "\r\n" }.map(String.init)
        return Reading(
            lines: lines.filter { $0.hasPrefix("=") },
            metrics: try metrics.split(separator: "\n").map { line in
                try #require(
                    try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            })
    }

    @Test func `A configuration file's guest reads version 1 with curl`() throws {
        let reading = try run(
            version: "V1",
            """
            echo =$(curl -s \(Self.address)/latest/meta-data/ami-id); \
            echo =$(curl -s \(Self.address)/latest/meta-data/); \
            echo =$(curl -s -H Accept:application/json \(Self.address)/latest/meta-data/tags); \
            echo =$(curl -s -o /dev/null -w %{http_code} \(Self.address)/nothing)
            """)
        #expect(
            reading.lines == ["=ami-1", "=ami-id tags/", #"={"name":"swift"}"#, "=404"],
            "\(reading.lines)")
        #expect(reading.number("mmds", "connections_created") == 4)
        #expect(reading.number("mmds", "rx_accepted") > 0)
        #expect(reading.number("mmds", "tx_bytes") > 0)
        // What else the machine has counts, too.
        #expect(reading.number("block_rootfs", "read_bytes") > 1 << 20)
        #expect(reading.number("block", "read_count") > 0)
        #expect(reading.number("net_eth0", "tx_queue_event_count") > 0)
        #expect(reading.number("uart", "write_count") > 0)
        #expect(reading.number("interrupts", "triggers") > 0)
        #expect(reading.number("vcpu", "exit_mmio_write") > 0)
    }

    @Test func `Version 2 wants a token, and takes it from curl`() throws {
        let reading = try run(
            version: "V2",
            """
            echo =$(curl -s -o /dev/null -w %{http_code} \(Self.address)/latest/meta-data/ami-id); \
            T=$(curl -s -X PUT -H X-metadata-token-ttl-seconds:60 \(Self.address)/latest/api/token); \
            echo =$(curl -s -H X-metadata-token:$T \(Self.address)/latest/meta-data/ami-id); \
            echo =$(curl -s -o /dev/null -w %{http_code} -H X-metadata-token:x$T \(Self.address)/)
            """)
        #expect(reading.lines == ["=401", "=ami-1", "=401"], "\(reading.lines)")
        #expect(reading.number("mmds", "rx_no_token") == 1)
        #expect(reading.number("mmds", "rx_invalid_token") == 1)
    }
}

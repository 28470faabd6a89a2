// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct VMConfigTests {
    @Test func `Firecracker's keys and ours make a configuration`() throws {
        let text = """
            {
              "boot-source": {
                "kernel_image_path": "/boot/vmlinux", "initrd_path": "/boot/initrd",
                "boot_args": "console=ttyS0"
              },
              "machine-config": {
                "vcpu_count": 4, "mem_size_mib": 512, "smt": false, "huge_pages": "2M",
                "track_dirty_pages": true, "cpu_template": "None"
              },
              "vsock": { "guest_cid": 3, "uds_path": "@name", "vsock_id": "old" },
              "entropy": { "rate_limiter": null },
              "serial": { "serial_out_path": "/tmp/log" },
              "drives": [], "network-interfaces": [],
              "swiftlet": {
                "engine": "soft", "deterministic": true, "debug_exit": true, "prefault": true,
                "console": { "input": null, "output": 1 }, "report": 4
              }
            }
            """
        let config = try VMConfig(Array(text.utf8))

        var wanted = VMConfig(
            bootSource: BootSource(
                kernelPath: "/boot/vmlinux", initrdPath: "/boot/initrd",
                arguments: "console=ttyS0"),
            machine: MachineConfig(vcpuCount: 4, memorySize: 512))
        wanted.machine.hugePages = .twoMiB
        wanted.machine.tracksDirtyPages = true
        wanted.vsock = VsockConfig(guestCID: 3, path: "@name")
        wanted.entropy = EntropyConfig()
        wanted.serial = SerialConfig(outputPath: "/tmp/log")
        wanted.swiftlet.engine = .soft
        wanted.swiftlet.isDeterministic = true
        wanted.swiftlet.hasDebugExit = true
        wanted.swiftlet.prefaults = true
        wanted.swiftlet.console = .init(input: nil, output: 1)
        wanted.swiftlet.report = 4
        #expect(config == wanted)
        #expect(try VMConfig(config.json.bytes) == config)
    }

    @Test func `A kernel is enough`() throws {
        let config = try VMConfig(Array(#"{"boot-source":{"kernel_image_path":"k"}}"#.utf8))
        #expect(config.machine == MachineConfig(vcpuCount: 1, memorySize: 128))
        #expect(config.vsock == nil)
        #expect(config.swiftlet == SwiftletConfig())
    }

    struct Fault: CustomTestStringConvertible, Sendable {
        let text: String
        let message: String
        var testDescription: String { text }

        /// `text` stands beside a good boot source on line 1.
        init(_ text: String, _ message: String) {
            self.text = text
            self.message = message
        }
    }

    static let faults = [
        Fault(
            #""machine-config":{"vcpu_count":0,"mem_size_mib":128}"#,
            "machine-config.vcpu_count: invalid value: integer `0`, expected an integer from 1 to"
                + " 32 at line 2 column 32"),
        Fault(
            #""machine-config":{"vcpu_count":"2","mem_size_mib":128}"#,
            "machine-config.vcpu_count: invalid type: string \"2\", expected an integer from 1 to"
                + " 32 at line 2 column 32"),
        Fault(
            #""machine-config":{"vcpu_count":1}"#,
            "machine-config: missing field `mem_size_mib` at line 2 column 18"),
        Fault(
            #""machine-config":{"vcpu_count":1,"mem_size_mib":0}"#,
            "machine-config.mem_size_mib: The memory size (MiB) is either 0, or not a multiple of"
                + " the configured page size. at line 2 column 49"),
        Fault(
            #""machine-config":{"vcpu_count":1,"mem_size_mib":129,"huge_pages":"2M"}"#,
            "machine-config.mem_size_mib: The memory size (MiB) is either 0, or not a multiple of"
                + " the configured page size. at line 2 column 49"),
        Fault(
            #""machine-config":{"vcpu_count":1,"mem_size_mib":128.5}"#,
            "machine-config.mem_size_mib: invalid type: floating point `128.5`, expected an"
                + " integer from 0 to 18446744073709551615 at line 2 column 49"),
        Fault(
            #""machine-config":{"vcpu_count":1,"mem_size_mib":128,"smt":true}"#,
            "machine-config.smt: simultaneous multithreading is not supported at line 2 column 59"),
        Fault(
            #""vsock":{"guest_cid":2,"uds_path":"/v"}"#,
            "vsock.guest_cid: invalid value: integer `2`, expected an integer from 3 to 4294967294"
                + " at line 2 column 22"),
        Fault(
            #""drives":[{}]"#,
            "drives.0: missing field `drive_id` at line 2 column 11"),
        Fault(
            #""swiftlet":{"engine":"fast"}"#,
            "swiftlet.engine: unknown variant `fast`, expected one of `auto`, `kvm`, `soft` at line"
                + " 2 column 22"),
        Fault(
            #""swiftlet":{"turbo":1}"#,
            "swiftlet: unknown field `turbo`, expected one of `engine`, `affinity`,"
                + " `deterministic`, `debug_exit`, `prefault`, `plugged_memory_mib`, `console`,"
                + " `report` at line 2 column 21"),
        Fault(
            #""swiftlet":[]"#,
            "swiftlet: invalid type: sequence, expected an object at line 2 column 12"),
    ]

    @Test(arguments: faults)
    func `A wrong field is named with its place`(_ fault: Fault) {
        let text = "{\"boot-source\":{\"kernel_image_path\":\"k\"},\n\(fault.text)}"
        let error = #expect(throws: JSONError.self) { try VMConfig(Array(text.utf8)) }
        #expect(error?.description == fault.message)
    }

    @Test(arguments: [
        (#"{}"#, "missing field `boot-source` at line 1 column 1"),
        (
            #"{"boot-source":{}}"#,
            "boot-source: missing field `kernel_image_path` at line 1 column 16"
        ),
        (
            #"{"boot-source":{"kernel_image_path":""}}"#,
            "boot-source.kernel_image_path: the path is empty at line 1 column 37"
        ),
        (
            #"{"boot-source":{"kernel_image_path":"a\u0000b"}}"#,
            "boot-source.kernel_image_path: a zero byte inside the string at line 1 column 37"
        ),
    ])
    func `A boot source without a kernel is refused`(_ text: String, _ message: String) {
        let error = #expect(throws: JSONError.self) { try VMConfig(Array(text.utf8)) }
        #expect(error?.description == message)
    }

    @Test func `A message shows nothing that controls a terminal`() {
        let text = "{\"boot-source\":{\"\\u001b[2J\":1}}"
        let error = #expect(throws: JSONError.self) { try VMConfig(Array(text.utf8)) }
        #expect(error?.description.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } == true)
    }

    @Test func `A report is read as it was written`() throws {
        var report = MachineReport(end: .debugExit)
        report.value = 42
        report.message = "said"
        report.created = 1
        report.instructions = .max
        #expect(try MachineReport(report.json.bytes) == report)
    }
}

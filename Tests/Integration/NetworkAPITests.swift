// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// TAP devices that requests name: opened at once, kept for the start, and given back.
@Suite(.enabled(if: NetworkNamespace.isPossible, "needs root, /dev/net/tun and ip of iproute2"))
struct NetworkAPITests {
    private static let refusal =
        "Network config error: Could not create the network device: Open tap device failed: Error"
        + " while creating ifreq structure: "

    /// A monitor whose network is the namespace's.
    private static func monitor(_ space: NetworkNamespace) throws -> APIMonitor {
        let program = space.folder.appending(path: "monitor").path
        let monitor = try Built.file("bin/swiftlet-vmm")
        try Data("#!/bin/sh\nexec ip netns exec \(space.name) '\(monitor)' \"$@\"\n".utf8)
            .write(to: URL(filePath: program))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: program)
        return try APIMonitor(program: program)
    }

    /// The descriptors that a monitor has of an interface, one a queue.
    private static func descriptors(_ name: String, of monitor: APIMonitor) throws -> [String] {
        let folder = "/proc/\(monitor.process.identifier)/fdinfo"
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter { file in
            let text = try? String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            return text?.contains("iff:\t\(name)\n") == true
        }
    }

    /// How many queues of an interface a monitor has.
    private static func queues(_ name: String, of monitor: APIMonitor) throws -> Int {
        try descriptors(name, of: monitor).count
    }

    private static func put(_ client: APIClient, _ id: String, _ device: String) throws -> APIReply
    {
        try client.ask(
            "PUT", "/network-interfaces/\(id)",
            "{\"iface_id\":\"\(id)\",\"host_dev_name\":\"\(device)\"}")
    }

    @Test func `A device is opened by the request that names it, and kept until the start`() throws
    {
        let space = try NetworkNamespace()
        try space.set(["tuntap", "add", "dev", "one", "mode", "tap"])
        try space.set(["tuntap", "add", "dev", "many", "mode", "tap", "multi_queue"])
        let monitor = try Self.monitor(space)
        let client = try monitor.client()
        func held() throws -> [Int] {
            [try Self.queues("one", of: monitor), try Self.queues("many", of: monitor)]
        }

        #expect(try Self.put(client, "n", "one").status == 204)
        #expect(try held() == [1, 0])
        // We have it already.
        #expect(try Self.put(client, "n", "one").status == 204)
        #expect(try held() == [1, 0])
        // What cannot be had changes nothing.
        let before = try client.ask("GET", "/vm/config").body
        let absent = try Self.put(client, "n", "absent")
        #expect(absent.status == 400)
        #expect(absent.fault.hasPrefix(Self.refusal + "No such device (os error 19)."), "\(absent)")
        let loopback = try Self.put(client, "n", "lo")
        #expect(
            loopback.fault
                == Self.refusal + "Invalid argument (os error 22). Invalid TUN/TAP Backend provided"
                + " by lo. Check our documentation on setting up the network devices.")
        #expect(try Self.put(client, "m", "one").fault.contains("already in use by n"))
        #expect(try client.ask("GET", "/vm/config").body == before)
        #expect(try held() == [1, 0])
        // Another one takes its place.
        #expect(try Self.put(client, "n", "many").status == 204)
        #expect(try held() == [0, 3])
        #expect(try Self.put(client, "m", "one").status == 204)
        #expect(try held() == [1, 3])

        // A start that fails may be tried again.
        let file = monitor.path("no-kernel")
        try Data(repeating: 0, count: 1 << 16).write(to: URL(filePath: file))
        _ = try client.ask("PUT", "/boot-source", "{\"kernel_image_path\":\"\(file)\"}")
        #expect(try client.ask("PUT", "/actions", APITests.started).status == 400)
        let kernel = try LongModeKernel(LongModeKernel.busy)
        _ = try client.ask("PUT", "/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}")
        let start = try client.ask("PUT", "/actions", APITests.started)
        #expect(start.status == 204, "\(start)")
        #expect(try held() == [1, 3])
    }

    @Test func `A device that another monitor has is refused at once, and free when that ends`()
        throws
    {
        let space = try NetworkNamespace()
        try space.set(["tuntap", "add", "dev", "one", "mode", "tap"])
        let first = try Self.monitor(space)
        #expect(try Self.put(try first.client(), "n", "one").status == 204)
        let second = try Self.monitor(space)
        let client = try second.client()
        let refused = try Self.put(client, "n", "one")
        #expect(refused.status == 400)
        #expect(refused.fault.hasPrefix(Self.refusal), "\(refused)")
        #expect(refused.fault.contains("(os error 16). "), "\(refused)")
        first.process.send(SIGTERM)
        _ = try first.process.end(seconds: 30)
        #expect(try Self.put(client, "n", "one").status == 204)
    }

    @Test(arguments: ["n", "m"])
    func `A descriptor that the monitor has itself gets no second owner`(_ id: String) throws {
        let space = try NetworkNamespace()
        try space.set(["tuntap", "add", "dev", "one", "mode", "tap"])
        let monitor = try Self.monitor(space)
        let client = try monitor.client()
        #expect(try Self.put(client, "n", "one").status == 204)
        let number = try #require(try Self.descriptors("one", of: monitor).first)
        let reply = try Self.put(client, id, "/dev/fd/\(number)")
        #expect(reply.status == 400)
        #expect(reply.fault.hasSuffix("Invalid interface name: /dev/fd/\(number)"), "\(reply)")
        #expect(try Self.queues("one", of: monitor) == 1)
    }

    @Test(arguments: [0, 3, 5, 1_000])
    func `A descriptor that is no TAP device stays whose it is`(_ number: Int) throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        // The connection is the monitor's, too, by then.
        #expect(try client.ask("GET", "/").status == 200)
        let count = try monitor.descriptorCount()
        for name in ["/dev/fd/\(number)", "/dev/fd/0\(number)", "/dev/fd/+\(number)"] {
            let reply = try Self.put(client, "n", name)
            #expect(reply.status == 400)
            #expect(reply.fault.contains("Open tap device failed: "), "\(reply)")
        }
        #expect(try monitor.descriptorCount() == count)
        #expect(try client.ask("GET", "/").status == 200)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Linux
import Support
import Testing

@Suite struct TapDeviceTests {
    /// Making an interface needs root and /dev/net/tun.
    static let isPossible: Bool = {
        do throws(TapError) {
            _ = try TapDevice(creating: "swltry%d")
            return true
        } catch {
            return false
        }
    }()

    @Test(.enabled(if: isPossible, "cannot make TAP devices: needs root and /dev/net/tun"))
    func `An interface that is made can be used, and goes with its device`() throws {
        let name: String
        do {
            // No other test makes one of this name, once it is free again.
            let device = try TapDevice(creating: "swlmade%d")
            name = device.name
            #expect(name.hasPrefix("swlmade"))
            let queues = device.queueCount
            let offloads = device.offloads
            #expect(queues == 1)
            #expect(offloads.isSuperset(of: [.checksum, .tso4, .tso6]))
            try NetworkInterface.setMTU(of: name, to: 9000)
            #expect(try NetworkInterface.mtu(of: name) == 9000)
            try NetworkInterface.add([10, 255, 254, 1], prefix: 30, to: name)
            #expect(throws: Errno.exists) {
                try NetworkInterface.add([10, 255, 254, 1], prefix: 30, to: name)
            }
            try NetworkInterface.bringUp(name)
            // Nobody may have it twice.
            #expect(throws: TapError.self) { _ = try TapDevice(opening: name) }
        }
        // A process that another test is starting has a copy until it is executed.
        let deadline = Clock.monotonic + 10_000_000_000
        while NetworkInterface.exists(name), Clock.monotonic < deadline { Thread.yield() }
        #expect(!NetworkInterface.exists(name))
    }

    @Test(.enabled(if: isPossible, "cannot make TAP devices: needs root and /dev/net/tun"))
    func `A device has as many queues as are asked for, at most three`() throws {
        for (wanted, count) in [(0, 1), (1, 1), (2, 2), (3, 3), (9, 3)] {
            let device = try TapDevice(creating: "swltap%d", queues: wanted)
            let queues = device.queueCount
            #expect(queues == count)
            let descriptors = (0..<4).map { device.descriptor($0) }
            #expect(descriptors.count { $0 >= 0 } == count)
            for queue in 0..<queues { try device.setQueue(queue, enabled: queue == 0) }
            for queue in 0..<queues { try device.setQueue(queue, enabled: true) }
        }
    }

    @Test(.enabled(if: isPossible, "cannot make TAP devices: needs root and /dev/net/tun"))
    func `A device goes from hand to hand as a descriptor`() throws {
        let device = try TapDevice(creating: "swltap%d")
        let name = device.name
        let copy = try FileDescriptor.duplicating(device.descriptor(0)).release()
        let other = try TapDevice(adopting: copy)
        let sameName = other.name
        #expect(sameName == name)
    }

    @Test func `What is no TAP device is refused`() throws {
        #expect(throws: TapError.absent("nosuch0")) { _ = try TapDevice(opening: "nosuch0") }
        #expect(throws: TapError.name("a/b")) { _ = try TapDevice(opening: "a/b") }
        #expect(throws: TapError.name("plain")) { _ = try TapDevice(creating: "plain") }
        #expect(throws: TapError.self) { _ = try TapDevice(opening: "lo") }
        let file = try FileDescriptor.open("/dev/null")
        let number = file.rawValue
        #expect(throws: TapError.descriptor(number)) { _ = try TapDevice(adopting: number) }
        // It was not taken, and can be used.
        #expect(throws: Never.self) { _ = try FileDescriptor.duplicating(number) }
        _ = consume file
    }

    @Test(arguments: [
        ("eth0", true), ("a", true), ("swiftlet12345.a", true), ("br-lan_1", true), ("", false),
        ("sixteen-letters-", false), (".", false), ("..", false), ("a b", false), ("a/b", false),
        ("eth0\n", false), ("a%d", false), ("é", false),
    ])
    func `Names of interfaces`(_ name: String, _ isName: Bool) {
        #expect(NetworkInterface.isName(name) == isName)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Virtio

@testable import Devices

/// A driver of the entropy device whose every step, and every step of the host, is a byte of somebody
/// else's choice. The first byte chooses the limits.
enum EntropyScript {
    /// Answers what is wrong afterwards, or nil.
    static func run(_ bytes: [UInt8], memory: GuestMemory) throws -> String? {
        var script = DeviceScript(bytes)
        let driver: TestDriver<Entropy>
        if let limits = limits(&script) {
            driver = try TestDriver(Entropy(limits), memory: memory)
        } else {
            driver = try TestDriver(Entropy(), memory: memory)
        }
        return script.run(
            driver, chain: { request(&$0) }, host: { host(&$0, driver.transport) })
    }

    /// Nil: a device that knows of none.
    private static func limits(_ script: inout DeviceScript) -> RateLimits? {
        let choice = script.byte()
        guard choice & 3 != 0 else { return nil }
        let bucket = TokenBucketLimit(
            size: UInt64(script.half()), refillTime: 1, oneTimeBurst: UInt64(choice >> 4))
        return RateLimits(
            bandwidth: choice & 1 == 0 ? nil : bucket, operations: choice & 2 == 0 ? nil : bucket)
    }

    /// Buffers to be filled, among them some that are not.
    private static func request(_ script: inout DeviceScript) -> [DriverRing.Buffer] {
        (0..<script.byte() % 6).map { _ in
            let address =
                script.byte() & 7 == 0 ? script.address() : 0x70_0000 + UInt64(script.half())
            let length = script.byte() & 7 == 0 ? script.length() : UInt32(script.half())
            return script.byte() & 15 == 0
                ? .readable(address, length) : .writable(address, length)
        }
    }

    private static func host(_ script: inout DeviceScript, _ transport: MMIOTransport<Entropy>) {
        switch script.byte() % 3 {
        case 0:
            let limits = Self.limits(&script) ?? .none
            _ = transport.withDevice { $0.setLimits(limits) }
        case 1: transport.serveHost()
        default: DeviceScript.move(transport)
        }
    }
}

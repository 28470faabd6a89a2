// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import Control

/// Limits of devices, changed while the machine runs.
@Suite struct LimitChangeTests {
    /// A device; `LIMITS` stands for its limits.
    struct Device: CustomTestStringConvertible, Sendable {
        let path: String
        let configuration: String
        let change: String
        var testDescription: String { path }

        func body(_ text: String, _ limits: RateLimiterConfig) -> String {
            text.split(separator: "LIMITS", omittingEmptySubsequences: false)
                .joined(separator: limits.json.text)
        }
    }

    static let devices = [
        Device(
            path: "/drives/a",
            configuration:
                #"{"drive_id":"a","path_on_host":"f","is_root_device":false,"rate_limiter":LIMITS}"#,
            change: #"{"drive_id":"a","rate_limiter":LIMITS}"#),
        Device(
            path: "/pmem/p",
            configuration: #"{"id":"p","path_on_host":"f","rate_limiter":LIMITS}"#,
            change: #"{"id":"p","rate_limiter":LIMITS}"#),
        Device(
            path: "/network-interfaces/n",
            configuration: #"{"iface_id":"n","host_dev_name":"t","rx_rate_limiter":LIMITS}"#,
            change: #"{"iface_id":"n","rx_rate_limiter":LIMITS}"#),
        Device(
            path: "/network-interfaces/n",
            configuration: #"{"iface_id":"n","host_dev_name":"t","tx_rate_limiter":LIMITS}"#,
            change: #"{"iface_id":"n","tx_rate_limiter":LIMITS}"#),
        Device(
            path: "/entropy", configuration: #"{"rate_limiter":LIMITS}"#,
            change: #"{"rate_limiter":LIMITS}"#),
    ]

    private static func limits(_ change: DeviceChange) -> RateLimiterConfig? {
        switch change {
        case .drive(let update): update.rateLimiter
        case .pmem(let update): update.rateLimiter
        case .network(let update): update.receiveLimiter ?? update.transmitLimiter
        case .entropy(let limits): limits
        default: nil
        }
    }

    @Test(arguments: devices)
    func `A limit that a change does not name stays, and the host hears of both`(
        _ device: Device
    ) throws {
        var rig = Rig()
        let bytes = TokenBucketConfig(size: 1000, oneTimeBurst: 5, refillTime: 100)
        let operations = TokenBucketConfig(size: 7, refillTime: 10)
        let made = device.body(device.configuration, RateLimiterConfig(bandwidth: bytes))
        #expect(rig.send(.put, device.path, made).status == 204)
        rig.start()

        let change = device.body(device.change, RateLimiterConfig(ops: operations))
        #expect(rig.send(.patch, device.path, change).status == 204)

        let both = RateLimiterConfig(bandwidth: bytes, ops: operations)
        let heard = rig.host.changes.withLock { $0.compactMap(Self.limits) }
        #expect(heard == [both])
        #expect(rig.send(.get, "/vm/config").body.contains(both.json.text))
    }

    @Test func `Only a source of random bytes that was made with limits gets others`() throws {
        let change = #"{"rate_limiter":{"ops":{"size":1,"refill_time":2}}}"#
        for (made, fault) in [
            (nil, "Entropy config error: Device not found"),
            (
                "{}",
                "Entropy config error: the device was made without a rate limiter; one without"
                    + " buckets limits nothing and can be changed"
            ), (#"{"rate_limiter":{}}"#, ""),
        ] as [(String?, String)] {
            var rig = Rig()
            if let made { #expect(rig.send(.put, "/entropy", made).status == 204) }
            rig.start()
            #expect(try rig.fault(.patch, "/entropy", change) == fault)
            #expect(rig.host.changes.withLock(\.count) == (fault.isEmpty ? 1 : 0))
            #expect((rig.controller.config.entropy?.rateLimiter?.ops == nil) != fault.isEmpty)
        }
    }

    @Test func `A change that the host refuses is not told`() throws {
        var rig = Rig(failing: ["change"])
        _ = rig.send(.put, "/entropy", #"{"rate_limiter":{}}"#)
        rig.start()
        let before = rig.send(.get, "/vm/config").body
        let change = #"{"rate_limiter":{"ops":{"size":1,"refill_time":2}}}"#
        #expect(try rig.fault(.patch, "/entropy", change) == "change failed")
        #expect(rig.send(.get, "/vm/config").body == before)
    }
}

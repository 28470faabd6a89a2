// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import Control

/// Limits of running devices that are changed one bucket at a time.
@Suite struct LimitChangeTests {
    static let bandwidth = TokenBucketConfig(size: 100, refillTime: 10)
    static let ops = TokenBucketConfig(size: 7, oneTimeBurst: 3, refillTime: 20)

    /// A device, the member of its limits, and how it is made and changed.
    struct Device: CustomTestStringConvertible, Sendable {
        let path: String
        let limiter: String
        let names: String
        let more: String
        /// The limits that a change tells the host.
        let limits: @Sendable (DeviceChange) -> RateLimiterConfig?
        var testDescription: String { "\(path) \(limiter)" }
    }

    @Test(arguments: [
        Device(
            path: "/drives/d", limiter: "rate_limiter", names: #""drive_id":"d""#,
            more: #","is_root_device":false,"path_on_host":"f""#,
            limits: { if case .drive(let update) = $0 { update.rateLimiter } else { nil } }),
        Device(
            path: "/network-interfaces/n", limiter: "rx_rate_limiter", names: #""iface_id":"n""#,
            more: #","host_dev_name":"t""#,
            limits: { if case .network(let update) = $0 { update.receiveLimiter } else { nil } }),
        Device(
            path: "/network-interfaces/n", limiter: "tx_rate_limiter", names: #""iface_id":"n""#,
            more: #","host_dev_name":"t""#,
            limits: { if case .network(let update) = $0 { update.transmitLimiter } else { nil } }),
        Device(
            path: "/pmem/p", limiter: "rate_limiter", names: #""id":"p""#,
            more: #","path_on_host":"f""#,
            limits: { if case .pmem(let update) = $0 { update.rateLimiter } else { nil } }),
    ])
    func `A bucket that a change does not name stays as it was`(_ device: Device) throws {
        var rig = Rig()
        let first = RateLimiterConfig(bandwidth: Self.bandwidth).json.text
        #expect(
            rig.send(
                .put, device.path,
                "{\(device.names)\(device.more),\"\(device.limiter)\":\(first)}"
            ).status == 204)
        rig.start()
        let second = RateLimiterConfig(ops: Self.ops).json.text
        let body = "{\(device.names),\"\(device.limiter)\":\(second)}"
        #expect(rig.send(.patch, device.path, body).status == 204)
        let whole = RateLimiterConfig(bandwidth: Self.bandwidth, ops: Self.ops)
        let change = try #require(rig.host.changes.withLock { $0.last })
        #expect(device.limits(change) == whole)
        #expect(rig.send(.get, "/vm/config").body.contains(whole.json.text))
    }
}

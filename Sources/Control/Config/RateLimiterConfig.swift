// SPDX-License-Identifier: Apache-2.0

/// A bucket of tokens that refills at a constant rate: Firecracker's `TokenBucket`.
package struct TokenBucketConfig: APIObject {
    package static var fields: [String] { ["size", "one_time_burst", "refill_time"] }

    /// Most tokens in the bucket, in bytes or operations; 0 switches the limit off.
    package var size: UInt64
    /// Tokens for once, before the bucket counts.
    package var oneTimeBurst: UInt64?
    /// Milliseconds from empty to full; 0 switches the limit off.
    package var refillTime: UInt64

    package init(size: UInt64, oneTimeBurst: UInt64? = nil, refillTime: UInt64) {
        self.size = size
        self.oneTimeBurst = oneTimeBurst
        self.refillTime = refillTime
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        size = try fields.require("size")
        oneTimeBurst = try fields.optional("one_time_burst")
        refillTime = try fields.require("refill_time")
    }

    package var json: JSON {
        .object([
            ("size", .integer(size)), ("one_time_burst", .number(oneTimeBurst)),
            ("refill_time", .integer(refillTime)),
        ])
    }
}

/// Limits on bytes and on operations: Firecracker's `RateLimiter`.
package struct RateLimiterConfig: APIObject {
    package static var fields: [String] { ["bandwidth", "ops"] }

    package var bandwidth: TokenBucketConfig?
    package var ops: TokenBucketConfig?

    package init(bandwidth: TokenBucketConfig? = nil, ops: TokenBucketConfig? = nil) {
        self.bandwidth = bandwidth
        self.ops = ops
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        bandwidth = try fields.optional("bandwidth")
        ops = try fields.optional("ops")
    }

    package var json: JSON {
        .object([
            ("bandwidth", bandwidth?.json ?? .null), ("ops", ops?.json ?? .null),
        ])
    }

    /// These limits with those of `update` in place of the ones it names.
    package func updated(by update: RateLimiterConfig) -> RateLimiterConfig {
        RateLimiterConfig(bandwidth: update.bandwidth ?? bandwidth, ops: update.ops ?? ops)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Linux
import Testing

@testable import Devices

@Suite struct RateLimiterTests {
    /// 1,000 tokens a second, a bucket of 100.
    static let limit = TokenBucketLimit(size: 100, refillTime: 100)
    static let millisecond: UInt64 = 1_000_000

    /// A demand at a moment (ms), and whether it may be met.
    struct Demand: Sendable {
        let at: UInt64
        let tokens: UInt64
        let isMet: Bool

        init(at: UInt64, _ tokens: UInt64, _ isMet: Bool) {
            self.at = at
            self.tokens = tokens
            self.isMet = isMet
        }
    }

    struct Course: CustomTestStringConvertible, Sendable {
        let name: String
        let limit: TokenBucketLimit
        let demands: [Demand]
        var testDescription: String { name }
    }

    static let courses = [
        Course(
            name: "a full bucket, then a token a millisecond", limit: limit,
            demands: [
                Demand(at: 0, 100, true), Demand(at: 0, 1, false), Demand(at: 1, 1, true),
                Demand(at: 1, 1, false), Demand(at: 11, 10, true), Demand(at: 11, 1, false),
            ]),
        Course(
            name: "an idle bucket fills to its size and no more", limit: limit,
            demands: [
                Demand(at: 0, 100, true), Demand(at: 5000, 100, true), Demand(at: 5000, 1, false),
            ]),
        Course(
            name: "the burst is spent first, and once",
            limit: TokenBucketLimit(size: 100, refillTime: 100, oneTimeBurst: 50),
            demands: [
                Demand(at: 0, 50, true), Demand(at: 0, 100, true), Demand(at: 0, 1, false),
                Demand(at: 1000, 101, true), Demand(at: 1000, 1, false),
            ]),
        Course(
            name: "a demand above the size waits for a full bucket and leaves a debt",
            limit: limit,
            demands: [
                Demand(at: 0, 1, true), Demand(at: 0, 250, false), Demand(at: 1, 250, true),
                Demand(at: 151, 1, false), Demand(at: 152, 1, true),
            ]),
        Course(
            name: "a demand beyond all numbers does not trap", limit: limit,
            demands: [Demand(at: 0, .max, true), Demand(at: 1_000_000, 1, false)]),
        Course(
            name: "a limit beyond all numbers does not trap",
            limit: TokenBucketLimit(size: .max, refillTime: .max, oneTimeBurst: .max),
            demands: [Demand(at: 0, .max, true), Demand(at: 1_000_000, 1, true)]),
        Course(
            name: "a slow bucket counts fractions of tokens",
            limit: TokenBucketLimit(size: 1, refillTime: 1000),
            demands: [
                Demand(at: 0, 1, true), Demand(at: 400, 1, false), Demand(at: 800, 1, false),
                Demand(at: 1000, 1, true), Demand(at: 1999, 1, false), Demand(at: 2000, 1, true),
            ]),
    ]

    @Test(arguments: courses)
    func `Tokens go and come as promised`(_ course: Course) throws {
        var bucket = try #require(TokenBucket(course.limit, now: 0))
        for demand in course.demands {
            let isMet = bucket.has(demand.tokens, now: demand.at * Self.millisecond)
            #expect(isMet == demand.isMet, "\(demand)")
            if isMet { bucket.take(demand.tokens) }
        }
    }

    @Test(arguments: [(0, 100), (100, 0), (0, 0)] as [(UInt64, UInt64)])
    func `No size or no time is no limit`(size: UInt64, time: UInt64) throws {
        var limiter = try RateLimiter(
            RateLimits(bandwidth: TokenBucketLimit(size: size, refillTime: time)))
        #expect(limiter.isOpen == true)
        for _ in 0..<1000 { #expect(limiter.admit(bytes: .max) == true) }
    }

    @Test func `After the wait that is foretold a demand is met, and not before`() throws {
        var bucket = try #require(
            TokenBucket(TokenBucketLimit(size: 333, refillTime: 7), now: 0))
        var now: UInt64 = 0
        for demand in [333, 1, 7, 332, 1000, 3, 333] as [UInt64] {
            if !bucket.has(demand, now: now) {
                let delay = bucket.delay(demand)
                #expect(delay > 0)
                #expect(bucket.has(demand, now: now + delay - 1) == false)
                now += delay
                #expect(bucket.has(demand, now: now) == true, "\(demand) after \(delay) ns")
            }
            bucket.take(demand)
        }
    }

    @Test func `A refused request wakes its device, which is then served`() throws {
        var limiter = try RateLimiter(
            RateLimits(operations: TokenBucketLimit(size: 1, refillTime: 20)))
        #expect(limiter.admit(bytes: 1) == true)
        #expect(limiter.admit(bytes: 1) == false)
        #expect(limiter.admit(bytes: 1) == false)
        #expect(limiter.waits == 1)
        var set = PollSet()
        set.add(limiter.descriptor, .readable)
        set.wait(milliseconds: 10_000)
        #expect(set.isReadable(limiter.descriptor))
        #expect(limiter.events == 0)
        #expect(limiter.wake() == true)
        #expect(limiter.events == 1)
        #expect(limiter.admit(bytes: 1) == true)
        #expect(limiter.wake() == false)
        // A device's next turn is nothing that the limits have caused.
        limiter.yield()
        #expect(limiter.wake() == true)
        #expect(limiter.waits == 1)
        #expect(limiter.events == 1)
    }

    @Test func `Both buckets must have what is asked, and neither pays for a refusal`() throws {
        var limiter = try RateLimiter(
            RateLimits(
                bandwidth: TokenBucketLimit(size: 1000, refillTime: 3_600_000),
                operations: TokenBucketLimit(size: 3, refillTime: 3_600_000)))
        #expect(limiter.admit(bytes: 900) == true)
        #expect(limiter.admit(bytes: 200) == false)
        #expect(limiter.admit(bytes: 50) == true)
        #expect(limiter.admit(bytes: 50) == true)
        #expect(limiter.admit(bytes: 0) == false)
    }

    @Test func `New limits hold at once and wake who waits`() throws {
        var limiter = try RateLimiter(
            RateLimits(operations: TokenBucketLimit(size: 1, refillTime: 3_600_000)))
        #expect(limiter.admit(bytes: 1) == true)
        #expect(limiter.admit(bytes: 1) == false)
        limiter.setLimits(.none)
        var set = PollSet()
        set.add(limiter.descriptor, .readable)
        set.wait(milliseconds: 10_000)
        #expect(limiter.wake() == true)
        #expect(limiter.admit(bytes: 1) == true)
    }

    @Test func `Whether there is a limit is known after each change`() throws {
        let none = TokenBucketLimit(size: 0, refillTime: 0)
        let some = TokenBucketLimit(size: 1, refillTime: 3_600_000)
        let closed = [RateLimits(bandwidth: some), RateLimits(bandwidth: none, operations: some)]
        for limits in closed {
            var limiter = try RateLimiter()
            #expect(limiter.isOpen == true)
            limiter.setLimits(limits)
            #expect(limiter.isOpen == false)
            #expect(limiter.admit(bytes: 1) == true)
            #expect(limiter.admit(bytes: 1) == false)
            var other = try RateLimiter()
            other.restore(limiter.save())
            #expect(other.isOpen == false)
            other.restore(RateLimiter.State())
            #expect(other.isOpen == true)
            limiter.setLimits(RateLimits(operations: none))
            #expect(limiter.isOpen == true)
        }
    }

    @Test func `A saved limiter goes on at its level, and a reset refills nothing`() throws {
        let limits = RateLimits(
            bandwidth: TokenBucketLimit(size: 1000, refillTime: 3_600_000, oneTimeBurst: 10))
        var limiter = try RateLimiter(limits)
        #expect(limiter.admit(bytes: 910) == true)
        #expect(limiter.admit(bytes: 200) == false)
        limiter.reset()
        #expect(limiter.admit(bytes: 200) == false)
        var other = try RateLimiter()
        other.restore(limiter.save())
        #expect(other.limits == limits)
        #expect(other.admit(bytes: 200) == false)
        #expect(other.admit(bytes: 100) == true)
        #expect(other.admit(bytes: 1) == false)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Linux
import Testing

@testable import Agent

@Suite struct FrameFuzzTests {
    /// Repeatable randomness. Vigna, SplitMix64.
    struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
            return mixed ^ mixed >> 31
        }
    }

    /// How long each test goes on, in nanoseconds.
    static let duration: UInt64 = 1_000_000_000

    /// Feeds `bytes` in pieces; whatever comes out must encode to bytes that decode to the same.
    private func check(_ bytes: [UInt8], _ random: inout SplitMix) {
        var decoder = FrameDecoder(payloadLimit: AgentProtocol.requestLimit)
        var rest = bytes[...]
        do throws(FrameError) {
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...64, using: &random))
                let taken = decoder.append(piece)
                guard taken > 0 else {
                    Issue.record("the decoder takes nothing and gives nothing")
                    return
                }
                rest = rest.dropFirst(taken)
                while let frame = try decoder.next() { checkRoundTrip(frame) }
            }
        } catch {
            #expect(throws: error) { try decoder.next() }
        }
    }

    private func checkRoundTrip(_ frame: Frame) {
        var decoder = FrameDecoder(payloadLimit: AgentProtocol.requestLimit)
        let again: Frame? =
            if let bytes = try? frame.encoded() {
                decoder.append(bytes[...]) == bytes.count ? try? decoder.next() : frame
            } else { nil }
        #expect(again == frame)
    }

    @Test func `Random bytes never trap the decoder`() {
        var random = SplitMix(state: 1)
        let end = Clock.monotonic + Self.duration
        while Clock.monotonic < end {
            let count = Int.random(in: 0...300, using: &random)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            // Most random headers end at once; these get further.
            if count > 8, Bool.random(using: &random) {
                bytes.replaceSubrange(
                    0..<8, with: [bytes[0], 0, 0, 0, bytes[4] % 55, 0, 0, 0])
            }
            check(bytes, &random)
        }
    }

    @Test func `Frames with a few wrong bytes never trap the decoder`() throws {
        var random = SplitMix(state: 2)
        let frames = FrameTests.frames.filter { $0.kind != 20 }
        let end = Clock.monotonic + Self.duration
        while Clock.monotonic < end {
            var bytes: [UInt8] = []
            for _ in 0..<4 {
                try frames[Int.random(in: 0..<frames.count, using: &random)].encode(into: &bytes)
            }
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                bytes[index] = UInt8.random(in: 0...255, using: &random)
            }
            check(bytes, &random)
        }
    }
}

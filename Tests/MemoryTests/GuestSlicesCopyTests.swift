// SPDX-License-Identifier: Apache-2.0
import CLinux
import Linux
import Support
import Synchronization
import Testing

@testable import Memory

@Suite struct GuestSlicesCopyTests {
    /// Three slices of 4, 0 and 6 bytes that lie apart.
    private func slices(_ memory: GuestMemory) throws -> GuestSlices {
        var slices = GuestSlices(memory)
        try slices.append(GuestAddress(0x1000), count: 4)
        try slices.append(GuestAddress(0x3000), count: 0)
        try slices.append(GuestAddress(0x2000), count: 6)
        return slices
    }

    /// A copy of `count` bytes at `offset` of ten bytes in slices.
    struct Copy: CustomTestStringConvertible, Sendable {
        let offset: Int
        let count: Int
        let moved: Int
        var testDescription: String { "\(count) bytes at \(offset)" }
    }

    static let copies = [
        Copy(offset: 0, count: 10, moved: 10), Copy(offset: 0, count: 11, moved: 10),
        Copy(offset: 3, count: 2, moved: 2), Copy(offset: 4, count: 6, moved: 6),
        Copy(offset: 9, count: 5, moved: 1), Copy(offset: 10, count: 1, moved: 0),
        Copy(offset: .max, count: 1, moved: 0), Copy(offset: 5, count: 0, moved: 0),
    ]

    @Test(arguments: copies)
    func `Bytes go in and come out across slices, as many as both sides have`(
        _ copy: Copy
    ) throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        let slices = try slices(memory)
        let bytes = (0..<copy.count).map { UInt8($0 + 1) }
        let went = unsafe slices.copyIn(bytes.span.bytes, at: copy.offset)
        #expect(went == copy.moved)

        var all =
            try memory.read(at: GuestAddress(0x1000), count: 4)
            + memory.read(at: GuestAddress(0x2000), count: 6)
        if copy.moved > 0 {
            #expect(
                Array(all[copy.offset..<copy.offset + copy.moved]) == Array(bytes[..<copy.moved]))
            all.replaceSubrange(
                copy.offset..<copy.offset + copy.moved,
                with: [UInt8](repeating: 0, count: copy.moved))
        }
        #expect(all.allSatisfy { $0 == 0 })
        #expect(try memory.read(at: GuestAddress(0x1004), count: 4) == [0, 0, 0, 0])
    }

    @Test func `A slice that is not all RAM is refused, and the others stay`() throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        var slices = try slices(memory)
        for (address, count) in [
            (UInt64(32 << 20) - 1, UInt32(2)), (UInt64(32 << 20), 1), (.max, .max),
        ] {
            var refusal: MemoryError?
            do throws(MemoryError) {
                try slices.append(GuestAddress(address), count: count)
            } catch {
                refusal = error
            }
            #expect(refusal == .outOfRange(GuestAddress(address), count: UInt64(count)))
        }
        let byteCount = slices.byteCount
        #expect(byteCount == 10)
    }

    /// Slices whose room is all taken, and such that have more.
    @Test(arguments: [1, 3, 8])
    func `A message has the host's part in front, or behind, and the slices stay`(
        _ capacity: Int
    ) throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        var slices = GuestSlices(memory, capacity: capacity)
        for index in 0..<3 as Range<UInt64> {
            try slices.append(GuestAddress(0x1000 * (index + 1)), count: 4)
            let bytes = (0..<4).map { UInt8(index * 4) + $0 }
            try memory.write(bytes, at: GuestAddress(0x1000 * (index + 1)))
        }
        let pair = try UnixSocket.Pair(keepsMessages: true)
        let head = HostBytes(count: 2)
        let tail = HostBytes(count: 5)
        head.setHalf(0xbbaa, at: 0)
        var sent: [[UInt8]] = []
        // Nothing removed, a part of a slice, all of one, and the same once more.
        for removed in [0, 1, 3, 0] {
            slices.removeFirst(removed)
            try slices.send(to: pair.near.rawValue, head: head, count: 2)
            var bytes = [UInt8](repeating: 0, count: 40)
            bytes.removeSubrange(try pair.far.read(into: &bytes)...)
            sent.append(bytes)
        }
        let all = [UInt8](0..<12)
        #expect(sent == [0, 1, 4, 4].map { [0xaa, 0xbb] + all[$0...] })

        for round in 0..<2 as Range<UInt8> {
            let message = (0..<11).map { 100 + round + $0 }
            #expect(try pair.far.write(message[...]) == 11)
            #expect(try slices.receive(from: pair.near.rawValue, tail: tail) == 11)
            #expect(try memory.read(at: GuestAddress(0x2000), count: 4) == Array(message[..<4]))
            #expect(try memory.read(at: GuestAddress(0x3000), count: 4) == Array(message[4..<8]))
            #expect(tail.prefix(3) == Array(message[8...]))
        }
        let (count, byteCount) = (slices.count, slices.byteCount)
        #expect(count == 2 && byteCount == 8)
        #expect(slices.range(0).address == GuestAddress(0x2000))
        #expect(slices.range(1).address == GuestAddress(0x3000))
        // The first of them is none of the message's.
        #expect(try memory.read(at: GuestAddress(0x1000), count: 4) == [0, 1, 2, 3])
    }

    @Test func `A message of more slices than the kernel takes is refused`() throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        var slices = GuestSlices(memory)
        let pair = try UnixSocket.Pair(keepsMessages: true)
        let part = HostBytes(count: 1)
        for _ in 0..<GuestSlices.messageLimit { try slices.append(GuestAddress(0), count: 1) }
        try slices.send(to: pair.near.rawValue, head: part, count: 1)
        #expect(try pair.far.write([1][...]) == 1)
        #expect(try slices.receive(from: pair.near.rawValue, tail: part) == 1)
        try slices.append(GuestAddress(0), count: 1)
        #expect(try pair.far.write([1][...]) == 1)
        for isSending in [false, true] {
            var refusal: Errno?
            do throws(Errno) {
                if isSending {
                    try slices.send(to: pair.near.rawValue, head: part, count: 1)
                } else {
                    _ = try slices.receive(from: pair.near.rawValue, tail: part)
                }
            } catch {
                refusal = error
            }
            #expect(refusal == .invalid)
        }
    }

    @Test func `A header is copied out of one slice or several`() throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        try memory.write([1, 2, 3, 4], at: GuestAddress(0x1000))
        try memory.write([5, 6, 7, 8, 9, 10], at: GuestAddress(0x2000))
        var slices = try slices(memory)
        let four = HostBytes(count: 4)
        let six = HostBytes(count: 6)
        var answers = [slices.copyOut(4, into: four), slices.copyOut(6, into: six)]
        #expect(four.prefix(9) == [1, 2, 3, 4])
        #expect(six.prefix(9) == [1, 2, 3, 4, 5, 6])
        slices.removeFirst(5)
        // Room may be left behind what is copied.
        answers.append(slices.copyOut(2, into: six))
        #expect(answers == [true, true, true])
        // No room for so many, or not so many there; then nothing is done.
        answers = [slices.copyOut(5, into: four), slices.copyOut(6, into: six)]
        answers += [slices.copyOut(0, into: six), slices.copyOut(-1, into: six)]
        slices.removeAll()
        answers.append(slices.copyOut(4, into: four))
        #expect(answers == [false, false, false, false, false])
        #expect(four.prefix(9) == [1, 2, 3, 4])
        #expect(six.prefix(9) == [6, 7, 3, 4, 5, 6])
    }

    @Test func `Bytes of the host are copied out as far as both sides have some`() {
        let bytes = HostBytes(count: 5)
        for place in 0..<2 { bytes.setHalf(UInt16(place + 1) << 8 | 0xa0, at: place * 2) }
        var copies: [[UInt8]] = []
        var counts: [Int] = []
        for (offset, limit) in [
            (0, 3), (1, 9), (4, .max), (5, 1), (.max, 1), (-1, 1), (0, -1), (2, 0), (0, .max),
        ] {
            var copy: [UInt8] = [9, 9, 9, 9]
            counts.append(bytes.copyOut(at: offset, limit: limit, into: &copy))
            copies.append(copy)
        }
        #expect(counts == [3, 4, 1, 0, 0, 0, 0, 0, 4])
        let none: [UInt8] = [9, 9, 9, 9]
        #expect(copies[0] == [0xa0, 1, 0xa0, 9])
        #expect(copies[1] == [1, 0xa0, 2, 0])
        #expect(copies[2] == [0, 9, 9, 9])
        #expect(copies[3...7].allSatisfy { $0 == none })
        #expect(copies[8] == [0xa0, 1, 0xa0, 2])
    }

    @Test func `Bytes of the host go as one message, no more than there are`() throws {
        let pair = try UnixSocket.Pair(keepsMessages: true)
        let bytes = HostBytes(count: 9)
        for place in 0..<4 { bytes.setHalf(UInt16(place) << 8 | 0xa0, at: place * 2) }
        #expect(bytes.word(at: 0) == 0x03a0_02a0_01a0_00a0)
        #expect(bytes.word(at: 1) == 0x0003_a002_a001_a000)
        #expect(bytes.word(at: 2) == 0)
        #expect(bytes.word(at: -1) == 0)
        var sent: [[UInt8]] = []
        for count in [3, 9, 10] {
            try bytes.send(to: pair.near.rawValue, count: count)
            var message = [UInt8](repeating: 0xee, count: 40)
            message.removeSubrange(try pair.far.read(into: &message)...)
            sent.append(message)
        }
        let all: [UInt8] = [0xa0, 0, 0xa0, 1, 0xa0, 2, 0xa0, 3, 0]
        #expect(sent == [Array(all[..<3]), all, all])
        var refusal: Errno?
        do throws(Errno) { try bytes.send(to: -1, count: 9) } catch { refusal = error }
        #expect(refusal != nil)
    }

    @Test func `A message comes to the host's own bytes, and what has no room is lost`() throws {
        let pair = try UnixSocket.Pair(keepsMessages: true)
        let bytes = HostBytes(count: 4)
        var counts: [Int] = []
        for message in [[1, 2, 3], [4, 5, 6, 7, 8], [9]] as [[UInt8]] {
            #expect(try pair.far.write(message[...]) == message.count)
            counts.append(try bytes.receive(from: pair.near.rawValue))
        }
        #expect(counts == [3, 4, 1])
        #expect(bytes.prefix(4) == [9, 5, 6, 7])
    }

    @Test func `A pipe fills and drains slices without a copy of ours`() throws {
        let memory = try GuestMemory(byteCount: 32 << 20)
        let slices = try slices(memory)
        try memory.write([1, 2, 3, 4], at: GuestAddress(0x1000))
        try memory.write([5, 6, 7, 8, 9, 10], at: GuestAddress(0x2000))
        let pair = try UnixSocket.Pair()
        #expect(try slices.drain(to: pair.near.rawValue, at: 2, limit: 5) == 5)
        #expect(try slices.fill(from: pair.far.rawValue, at: 5) == 5)
        #expect(try memory.read(at: GuestAddress(0x2000), count: 6) == [5, 3, 4, 5, 6, 7])
    }

    /// A thread that gets signals as a processor's does.
    private final class Target: Sendable {
        let number = Atomic<CInt>(0)
        /// Rounds that it has begun.
        let rounds = Atomic<Int>(0)
        let isDone = Flag()
        let gaps = Atomic<Int>(0)
    }

    /// One signal a round, each a little later in it than the last one: a thread that gets them
    /// faster than it can answer them does nothing else, for ever.
    @Test func `Random bytes leave no gap, whatever signals come`() throws {
        let target = Target()
        clinux_kvm_install_kick()
        let thread = try TestThread("kicked") {
            target.number.store(clinux_kvm_own_thread(), ordering: .releasing)
            let gaps = try? Self.countGaps(rounds: 500, of: target)
            target.gaps.store(gaps ?? -1, ordering: .releasing)
            target.isDone.set()
        }
        var kicked = 0
        let deadline = Clock.monotonic + 60_000_000_000
        while !target.isDone.isSet, Clock.monotonic < deadline {
            let round = target.rounds.load(ordering: .acquiring)
            guard round > kicked else {
                Thread.yield()
                continue
            }
            kicked = round
            var looks = round % 100 * 64
            while looks > 0, target.rounds.load(ordering: .relaxed) == round { looks -= 1 }
            clinux_kvm_kick(target.number.load(ordering: .acquiring))
        }
        try thread.join()
        #expect(target.gaps.load(ordering: .acquiring) == 0)
    }

    /// Times that old bytes are left in slices filled at random, or their count is wrong. What a
    /// signal cuts off is the end of a slice.
    private static func countGaps(rounds: Int, of target: Target) throws -> Int {
        let memory = try GuestMemory(byteCount: 32 << 20)
        var slices = GuestSlices(memory)
        let ends = (1...4 as ClosedRange<UInt64>).map { GuestAddress($0 << 20 | 0x4000 - 16) }
        for end in ends { try slices.append(GuestAddress(end.rawValue & ~0x3fff), count: 0x4000) }
        let old = [UInt8](repeating: 0x5a, count: 16)
        var gaps = 0
        for round in 0..<rounds {
            target.rounds.store(round + 1, ordering: .releasing)
            for end in ends { try memory.write(old, at: end) }
            if slices.fillRandom(limit: .max) != 4 * 0x4000 { gaps += 1 }
            for end in ends where try memory.read(at: end, count: 16) == old { gaps += 1 }
        }
        return gaps
    }
}

// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Boot

/// Kernels with some bytes changed at random: the loader may refuse them or take them, and what
/// it takes must keep the rules that `BootFuzz` checks.
@Suite struct MutationTests {
    static let interesting: [UInt8] = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff]

    @Test(arguments: KernelFiles.all.indices)
    func `mutated kernels never break the loader`(_ index: Int) {
        var generator = SeededGenerator(seed: UInt64(index) &* 977 &+ 1)
        let clock = ContinuousClock()
        let end = clock.now + .milliseconds(350)
        var rounds = 0
        var plans = 0
        while clock.now < end {
            var file = KernelFiles.all[index]
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                mutate(&file, &generator)
            }
            plans += BootFuzz.run(file.span)
            rounds += 1
        }
        #expect(rounds > 100)
        #expect(plans > 0)
    }

    private func mutate(_ file: inout [UInt8], _ generator: inout SeededGenerator) {
        guard !file.isEmpty else { return }
        // Headers are at the front: half of all changes go there.
        let limit = Bool.random(using: &generator) ? file.count : min(file.count, 0x270)
        let position = Int.random(in: 0..<limit, using: &generator)
        switch UInt8.random(in: 0..<8, using: &generator) {
        case 0: file.removeSubrange(position...)
        case 1: file[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2: file[position] = UInt8.random(in: 0...255, using: &generator)
        case 3 where position + 8 <= file.count:
            let high = UInt64.random(in: 0...64, using: &generator)
            file.set(UInt64.max << high, at: position)
        case 4 where position + 4 <= file.count:
            file.set(UInt32.random(in: 0...0x20_0000, using: &generator), at: position)
        default:
            file[position] = Self.interesting.randomElement(using: &generator) ?? 0
        }
    }
}

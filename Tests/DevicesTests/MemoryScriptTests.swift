// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@Suite struct MemoryScriptTests {
    /// As `Fuzz/Sources/FuzzBalloon` does for as long as it is let.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Whatever is done with a balloon, it starts again`(seed: UInt64) throws {
        var dice = Dice(seed)
        let guarded = try GuardedMemory.make()
        for round in 0..<200 {
            let bytes = dice.bytes(Int.random(in: 0..<1000, using: &dice))
            let wrong = try guarded.verdict(BalloonScript.run(bytes, memory: guarded.memory))
            #expect(wrong == nil, "seed \(seed), round \(round)")
        }
    }

    /// As `Fuzz/Sources/FuzzMemory` does for as long as it is let.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Whatever is plugged, the device knows how much it is`(seed: UInt64) throws {
        var dice = Dice(seed)
        let guarded = try GuardedMemory.make(
            pluggable: PluggableSize(byteCount: MemoryScript.blocks * PluggableSize.leastBlock))
        for round in 0..<200 {
            let bytes = dice.bytes(Int.random(in: 0..<1000, using: &dice))
            let wrong = try guarded.verdict(MemoryScript.run(bytes, memory: guarded.memory))
            #expect(wrong == nil, "seed \(seed), round \(round)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Support
import Testing

@Suite struct EntropyScriptTests {
    /// As `Fuzz/Sources/FuzzEntropy` does for as long as it is let.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Whatever random bytes are asked for, the device starts again`(seed: UInt64) throws {
        var dice = Dice(seed)
        let guarded = try GuardedMemory.make()
        for round in 0..<200 {
            let bytes = dice.bytes(Int.random(in: 0..<1000, using: &dice))
            let wrong = try guarded.verdict(EntropyScript.run(bytes, memory: guarded.memory))
            #expect(wrong == nil, "seed \(seed), round \(round)")
        }
    }
}

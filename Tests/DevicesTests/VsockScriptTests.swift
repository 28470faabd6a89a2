// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@Suite struct VsockScriptTests {
    /// As `Fuzz/Sources/FuzzVsock` does for as long as it is let.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Whatever guest and host do, the device starts again`(seed: UInt64) throws {
        var dice = Dice(seed)
        let guarded = try GuardedMemory.make()
        for round in 0..<200 {
            let bytes = dice.bytes(Int.random(in: 0..<1500, using: &dice))
            let path = VsockGuest.freshPath()
            let wrong = try guarded.verdict(
                VsockScript.run(bytes, path: path, memory: guarded.memory))
            #expect(wrong == nil, "seed \(seed), round \(round)")
        }
    }
}

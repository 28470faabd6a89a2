// SPDX-License-Identifier: Apache-2.0
import Support
import Testing

@Suite struct TarScriptTests {
    /// As `Fuzz/Sources/FuzzTar` does for as long as it is let, and with a tree.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Whatever an archive is made of, what travels is a tree`(seed: UInt64) {
        var dice = Dice(seed)
        for round in 0..<200 {
            var bytes = dice.bytes(Int.random(in: 2..<300, using: &dice))
            // Bytes of any kind are an archive too seldom.
            if round % 8 != 0 { bytes[0] |= 1 }
            let wrong = TarScript.run(bytes)
            #expect(wrong == nil, "seed \(seed), round \(round)")
        }
    }
}

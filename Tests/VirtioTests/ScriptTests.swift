// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing

@testable import Virtio

@Suite struct ScriptTests {
    /// As `Fuzz/Sources/FuzzVirtqueue` does for as long as it is let.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `Whatever a driver does, the device starts again`(seed: UInt64) throws {
        var dice = Dice(seed)
        let guarded = try GuardedMemory.make()
        for round in 0..<300 {
            let driver = try TestDriver(EchoDevice(), memory: guarded.memory)
            var script = DeviceScript(dice.bytes(Int.random(in: 0..<600, using: &dice)))
            let wrong = guarded.verdict(script.run(driver))
            #expect(wrong == nil, "seed \(seed), round \(round)")
        }
    }
}

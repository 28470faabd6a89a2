// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@Suite struct GuardedMemoryTests {
    /// What the guards are for, done by somebody who may.
    @Test(arguments: [-1, -65536, 0, 65535])
    func `A byte written beside guest memory is seen`(offset: Int) throws {
        let guarded = try GuardedMemory.make()
        #expect(guarded.isIntact)
        #expect(guarded.verdict(nil) == nil)
        let start = Int(bitPattern: guarded.memory.regions[0].hostAddress)
        let end = start + Int(guarded.memory.mappedByteCount)
        let place = unsafe UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(bitPattern: (offset < 0 ? start : end) + offset),
            count: 1)
        unsafe place[0] ^= 1
        #expect(!guarded.isIntact)
        #expect(guarded.verdict(nil) != nil)
        #expect(guarded.verdict("something else") == "something else")
        unsafe place[0] ^= 1
        #expect(guarded.isIntact)
    }
}

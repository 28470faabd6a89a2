// SPDX-License-Identifier: Apache-2.0
import Memory
import Testing

@testable import Emulator

/// Decoded code that the guest changes.
@Suite struct CodeCacheTests {
    @Test func `Code that changes itself at each turn leaves no chain of what it was`() throws {
        let rig = try SystemRig(.long)
        let processor = rig.machine.processors[0]
        rig.bus.onWrite = { processor.kick() }
        rig.cpu.rax = SystemRig.code + 4
        rig.cpu.rcx = 5_000
        try rig.memory.write(
            [
                0x89, 0x08,  // MOV [RAX], ECX: the next one's constant
                0x90, 0xba, 1, 0, 0, 0,  // NOP; MOV EDX, …
                0x48, 0x01, 0xd3,  // ADD RBX, RDX
                0xff, 0xc9, 0x75, 0xf1,  // DEC ECX; JNZ
                0xe6, 0x80, 0xeb, 0xfe,  // OUT 0x80, AL
            ], at: GuestAddress(SystemRig.code))
        rig.cpu.set64(Register.general(3), 0)
        _ = processor.run()
        #expect(rig.cpu.rcx == 0)
        #expect(rig.cpu.get64(Register.general(3)) == 5_000 * 5_001 / 2)
        // Decoded anew at each turn: the first instruction, and from the second on once that is done.
        for start in [SystemRig.code, SystemRig.code + 2] {
            #expect(try blocksBehind(start, rig) < 10)
        }
    }

    /// How many more blocks are looked at in vain where the one at `linear` is looked for and is not
    /// there.
    private func blocksBehind(_ linear: UInt64, _ rig: SystemRig) throws -> Int {
        let code = rig.machine.processors[0].code
        var block = try #require(code.find(linear, rig.cpu, mayFlush: false))
        var count = 0
        while block.header.nextInChain != 0 {
            block = Block(block.header.nextInChain)
            count += 1
        }
        return count
    }
}

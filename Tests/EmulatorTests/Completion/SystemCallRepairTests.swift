// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory
import Testing

@testable import Emulator

/// A system call that went to the kernel's entry without leaving CPL 3.
@Suite struct SystemCallRepairTests {
    private static let entry: UInt64 = 0x9000

    /// At the first instruction of the page-fault handler, which is CLAC.
    private func guest(code: UInt64 = 0x15, cr2: UInt64 = Self.entry, flags: UInt64 = 0x1_0046)
        throws
        -> CompletionTests.Guest
    {
        var guest = try CompletionTests.Guest()
        guest.state.general.rip = 0x10000 + 14 * 16
        guest.state.general.rsp = 0x1_ff00
        guest.state.general.rcx = 0x40_0002
        guest.state.general.r11 = 0x246
        guest.state.system.cr2 = cr2
        guest.state.msrs = [
            0xc000_0081: 0x0023_0008_0000_0000, 0xc000_0082: Self.entry, 0xc000_0084: 0x4_0700,
        ]
        for (index, word) in [code, Self.entry, 0x2b, flags, 0x7fff_0000, 0x23].enumerated() {
            try guest.rig.memory.store(word, at: GuestAddress(0x1_ff00 + UInt64(index) * 8))
        }
        return guest
    }

    @Test(arguments: [0x05, 0x15] as [UInt64])
    func `It is led to the entry at CPL 0`(_ code: UInt64) throws {
        var guest = try self.guest(code: code)
        try guest.run([0x0f, 0x01, 0xca])
        let state = guest.state
        #expect(state.general.rip == Self.entry)
        #expect(state.general.rsp == 0x7fff_0000)
        #expect(state.general.rcx == 0x40_0002)
        #expect(state.general.r11 == 0x246)
        #expect(state.general.rflags == 0x46)
        #expect(state.system.cs.selector == 8)
        #expect(state.system.ss.selector == 16)
        #expect(state.system.ss.attributes >> 5 & 3 == 0)
        #expect(state.events.exception == nil)
    }

    @Test(arguments: [(0x07, entry), (0x14, entry), (0x15, entry + 1)] as [(UInt64, UInt64)])
    func `Any other page fault is one`(_ code: UInt64, _ cr2: UInt64) throws {
        var guest = try self.guest(code: code, cr2: cr2)
        let before = guest.state.general
        try guest.run([0x0f, 0x01, 0xca])
        #expect(guest.state.general.rip == before.rip + 3)
        #expect(guest.state.general.rsp == before.rsp)
    }

    @Test func `A program that jumps to the entry with flags of its choice has faulted`() throws {
        var guest = try self.guest(flags: 0x1_0246)
        guest.state.general.r11 = 0x3246
        try guest.run([0x0f, 0x01, 0xca])
        #expect(guest.state.general.rip == 0x10000 + 14 * 16 + 3)
    }
}

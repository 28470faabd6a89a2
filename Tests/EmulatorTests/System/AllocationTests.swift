// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Testing

@testable import Emulator

/// What runs for each instruction allocates nothing.
@Suite struct AllocationTests {
    /// Allocations while a loop with `body` goes round so often, with RAX at free memory.
    private static func allocations(_ body: [UInt8], rounds: UInt32) throws -> Int {
        let rig = try SystemRig(.long)
        let processor = rig.machine.processors[0]
        rig.bus.onWrite = { processor.kick() }
        rig.cpu.rax = 0x50000
        rig.cpu.rcx = UInt64(rounds)
        // DEC ECX; JNZ to the body; OUT 0x80, AL.
        let back = UInt8(bitPattern: Int8(-(body.count + 4)))
        try rig.memory.write(
            body + [0xff, 0xc9, 0x75, back, 0xe6, 0x80, 0xeb, 0xfe],
            at: GuestAddress(SystemRig.code))
        let count = Support.allocations { _ = processor.run() }
        #expect(rig.cpu.rcx == 0)
        return count
    }

    static let bodies: [(name: String, bytes: [UInt8])] = [
        ("MOV to and from memory", [0x48, 0x89, 0x18, 0x48, 0x8b, 0x18, 0x88, 0x18]),
        ("LOCK BTS", [0xf0, 0x48, 0x0f, 0xab, 0x10]),
        ("BTR", [0x48, 0x0f, 0xb3, 0x10]),
        ("LOCK XADD", [0xf0, 0x48, 0x0f, 0xc1, 0x10]),
        ("XADD of a byte", [0x0f, 0xc0, 0x10]),
        ("LOCK CMPXCHG", [0x48, 0x89, 0xc7, 0xf0, 0x48, 0x0f, 0xb1, 0x17, 0x48, 0x89, 0xf8]),
        ("LOCK INC, ADD and XCHG", [0xf0, 0xff, 0x00, 0xf0, 0x48, 0x01, 0x10, 0x87, 0x10]),
        ("PUSH, POP, CALL and RET", [0x53, 0x5b, 0xe8, 0, 0, 0, 0, 0x5b]),
        ("MOVDQA and PADDD", [0x66, 0x0f, 0x6f, 0x00, 0x66, 0x0f, 0xfe, 0xc8]),
        ("FLD and FSTP", [0xdd, 0x00, 0xdd, 0x18]),
        ("a walk of the page tables", [0x0f, 0x01, 0x38, 0x8b, 0x18]),
    ]

    @Test(arguments: bodies)
    func `a loop allocates no more when it goes round more often`(
        _ body: (name: String, bytes: [UInt8])
    ) throws {
        let few = try Self.allocations(body.bytes, rounds: 1_000)
        let many = try Self.allocations(body.bytes, rounds: 11_000)
        // A quantum, a tick of the clock or a block made anew may allocate once.
        #expect(many - few < 100, "\(body.name): \(few), then \(many)")
    }
}

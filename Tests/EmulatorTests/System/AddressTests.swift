// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hypervisor
import Linux
import Memory
import Synchronization
import Testing

@testable import Emulator

/// Addresses at their limits: canonical form, segment limits, displacements, changing tables.
@Suite struct AddressTests {
    struct Stack: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]
        let vector: Int
    }

    /// RSP, RBP and RBX all hold an address that is not canonical.
    static let stacks = [
        Stack(testDescription: "MOV by RSP", bytes: [0x8b, 0x04, 0x24], vector: 12),
        Stack(testDescription: "MOV by RBP", bytes: [0x8b, 0x45, 0x00], vector: 12),
        Stack(testDescription: "MOV to RBP", bytes: [0x89, 0x45, 0x08], vector: 12),
        Stack(testDescription: "MOVDQU by RSP", bytes: [0xf3, 0x0f, 0x6f, 0x04, 0x24], vector: 12),
        Stack(testDescription: "PUSH", bytes: [0x50], vector: 12),
        Stack(testDescription: "PUSH of a word", bytes: [0x66, 0x50], vector: 12),
        Stack(testDescription: "POP", bytes: [0x58], vector: 12),
        Stack(testDescription: "CALL", bytes: [0xe8, 0, 0, 0, 0], vector: 12),
        Stack(testDescription: "RET", bytes: [0xc3], vector: 12),
        Stack(testDescription: "LEAVE", bytes: [0xc9], vector: 12),
        Stack(testDescription: "PUSHF", bytes: [0x9c], vector: 12),
        Stack(testDescription: "ENTER", bytes: [0xc8, 8, 0, 0], vector: 12),
        Stack(testDescription: "MOV by RBX", bytes: [0x8b, 0x03], vector: 13),
        Stack(testDescription: "MOV by R12", bytes: [0x41, 0x8b, 0x04, 0x24], vector: 13),
        Stack(testDescription: "PUSH of memory by RBX", bytes: [0xff, 0x33], vector: 13),
        Stack(testDescription: "MOV by RSP in FS", bytes: [0x64, 0x8b, 0x04, 0x24], vector: 13),
        Stack(testDescription: "LODS", bytes: [0xac], vector: 13),
    ]

    @Test(arguments: stacks)
    func `An address that is not canonical is the stack's fault if it is the stack's`(
        _ stack: Stack
    ) throws {
        let rig = try SystemRig(.long)
        let address: UInt64 = 0x0000_8000_0000_1000
        // Delivery needs a stack that is there: that of the interrupt stack table.
        rig.setGate(12, ist: 1)
        rig.setGate(13, ist: 1)
        rig.cpu.state.cr4 |= 0x200
        rig.cpu.rsp = address
        for number in [3, 5, 6, 12] { rig.cpu.set64(Register.general(number), address) }
        rig.execute(stack.bytes)
        #expect(rig.vector == stack.vector)
        #expect(rig.stack(0) == 0)
    }

    struct Limit: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]
        let vector: Int?
    }

    /// ES has the limit 0xff.
    static let limits = [
        Limit(
            testDescription: "the last byte", bytes: [0x26, 0x8a, 0x05, 0xff, 0, 0, 0], vector: nil),
        Limit(testDescription: "one beyond", bytes: [0x26, 0x8a, 0x05, 0, 1, 0, 0], vector: 13),
        Limit(
            testDescription: "the last word", bytes: [0x26, 0x8b, 0x05, 0xfc, 0, 0, 0], vector: nil),
        Limit(
            testDescription: "its last byte beyond", bytes: [0x26, 0x8b, 0x05, 0xfd, 0, 0, 0],
            vector: 13),
        Limit(
            testDescription: "16 bits", bytes: [0x66, 0x26, 0x8b, 0x05, 0xfe, 0, 0, 0], vector: nil),
        Limit(
            testDescription: "16 bits beyond", bytes: [0x66, 0x26, 0x8b, 0x05, 0xff, 0, 0, 0],
            vector: 13),
        Limit(testDescription: "an offset", bytes: [0x26, 0xa1, 0xfc, 0, 0, 0], vector: nil),
        Limit(testDescription: "an offset beyond", bytes: [0x26, 0xa1, 0xfd, 0, 0, 0], vector: 13),
        Limit(
            testDescription: "a far pointer", bytes: [0x26, 0x0f, 0xb4, 0x05, 0xfa, 0, 0, 0],
            vector: 13),
        Limit(testDescription: "a double", bytes: [0x26, 0xdd, 0x05, 0xf8, 0, 0, 0], vector: nil),
        Limit(
            testDescription: "a double beyond", bytes: [0x26, 0xdd, 0x05, 0xf9, 0, 0, 0], vector: 13
        ),
        Limit(
            testDescription: "ten bytes beyond", bytes: [0x26, 0xdb, 0x2d, 0xf7, 0, 0, 0],
            vector: 13),
        Limit(
            testDescription: "a byte extended", bytes: [0x26, 0x0f, 0xb6, 0x05, 0xff, 0, 0, 0],
            vector: nil),
        Limit(
            testDescription: "a vector beyond", bytes: [0x26, 0x0f, 0x10, 0x05, 0xf1, 0, 0, 0],
            vector: 13),
        Limit(
            testDescription: "a scalar of it",
            bytes: [0xf3, 0x26, 0x0f, 0x10, 0x05, 0xfc, 0, 0, 0], vector: nil),
        Limit(testDescription: "a NOP", bytes: [0x26, 0x0f, 0x1f, 0x05, 0, 2, 0, 0], vector: nil),
        Limit(testDescription: "LEA", bytes: [0x26, 0x8d, 0x05, 0, 2, 0, 0], vector: nil),
    ]

    @Test(arguments: limits)
    func `A segment's limit holds for the operand's last byte`(_ limit: Limit) throws {
        let rig = try SystemRig(.protected)
        // A null far pointer's selector is loadable, and the stack's may be anything.
        rig.cpu.state.segments[0] = Segment(
            selector: 0xa0, base: 0x5000, limit: 0xff, attributes: 0x4093)
        rig.cpu.state.cr4 |= 0x200
        rig.cpu.reloadSegments()
        rig.execute(limit.bytes)
        #expect(rig.vector == limit.vector)
        if limit.vector == nil {
            #expect(rig.cpu.state.rip == SystemRig.code + UInt64(limit.bytes.count))
        }
    }

    @Test func `An operand nearly two GiB ahead is not behind`() throws {
        let rig = try SystemRig(.long)
        rig.execute([0x48, 0x8d, 0x05, 0xff, 0xff, 0xff, 0x7f])
        #expect(rig.cpu.rax == 0x8007 + 0x7fff_ffff)
        rig.execute([0x8b, 0x05, 0xff, 0xff, 0xff, 0x7f])
        #expect(rig.vector == 14)
        #expect(rig.cpu.state.cr2 == 0x800d + 0x7fff_ffff)
    }

    @Test func `An operand two GiB behind is there`() throws {
        let rig = try SystemRig(.long)
        rig.execute([0x48, 0x8d, 0x05, 0x00, 0x00, 0x00, 0x80])
        #expect(rig.cpu.rax == 0x8007 &- 0x8000_0000)
    }

    private final class Flag: Sendable {
        let isDone = Atomic<Bool>(false)
    }

    @Test func `A walk goes on while somebody changes the entry under it`() throws {
        let rig = try SystemRig(.long)
        let flag = Flag()
        let memory = rig.memory
        let entry = GuestAddress(0x2000)
        let other = Foundation.Thread {
            var value: UInt64 = 0x87
            while !flag.isDone.load(ordering: .relaxed) {
                // The accessed and dirty bits go, and a bit that means nothing changes.
                value ^= 1 << 9
                try? memory.store(value, at: entry)
            }
        }
        other.start()
        for round in UInt64(0)..<200_000 {
            let linear = (round & 0x1ff) << 12
            let found = rig.cpu.walk(linear, PageAccess(write: true))
            guard found.fault == nil, found.page == linear else {
                Issue.record("\(linear) leads to \(found)")
                break
            }
        }
        flag.isDone.store(true, ordering: .relaxed)
    }
}

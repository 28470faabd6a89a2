// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory
import Testing

@testable import Emulator

/// The XSAVE family on components that the software processor does not know.
@Suite struct ExtendedStateTests {
    /// AVX at 576 as everywhere, PKRU at 2,440, and a component that begins at a multiple of 64.
    static let layout = ExtendedStateLayout(
        userMask: 0x20f,
        components: [
            nil, nil,
            ExtendedStateLayout.Component(
                offset: 576, byteCount: 256, isAligned: false, isSupervisor: false),
            ExtendedStateLayout.Component(
                offset: 896, byteCount: 24, isAligned: false, isSupervisor: false),
            nil, nil, nil, nil, nil,
            ExtendedStateLayout.Component(
                offset: 2432, byteCount: 8, isAligned: true, isSupervisor: false),
        ])

    /// An image whose every component is in use and whose bytes tell their place.
    static func image() -> [UInt8] {
        var bytes = (0..<2440).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        bytes.replaceSubrange(0..<2, with: [0x7f, 0x03])
        bytes.replaceSubrange(2..<8, with: [0, 0, 0xff, 0, 0, 0])
        bytes.replaceSubrange(8..<24, with: [UInt8](repeating: 1, count: 16))
        bytes.replaceSubrange(24..<32, with: [0x80, 0x1f, 0, 0, 0xff, 0xff, 0, 0])
        for register in 0..<8 {
            bytes.replaceSubrange(
                32 + register * 16 + 10..<48 + register * 16, with: [UInt8](repeating: 0, count: 6))
        }
        bytes.replaceSubrange(512..<576, with: [0x0f, 2] + [UInt8](repeating: 0, count: 62))
        return bytes
    }

    private static let area: UInt64 = 0x12_0000

    private func guest() throws -> CompletionTests.Guest {
        var guest = try CompletionTests.Guest()
        guest.completion.use(Self.layout)
        guest.state.system.cr4 |= 1 << 18
        guest.state.floatingPoint.image = Self.image()
        guest.state.floatingPoint.xcr0 = 0x20f
        guest.state.general.rax = .max
        guest.state.general.rdx = .max
        guest.state.general.rdi = Self.area
        return guest
    }

    private func bytes(_ guest: CompletionTests.Guest, _ offset: Int, _ count: Int) throws
        -> [UInt8]
    {
        try guest.rig.memory.read(at: GuestAddress(Self.area + UInt64(offset)), count: count)
    }

    @Test func `XSAVE writes all components at their places`() throws {
        var guest = try guest()
        try guest.run([0x48, 0x0f, 0xae, 0x27])
        let image = Self.image()
        #expect(try bytes(guest, 0, 160) == Array(image[..<160]))
        #expect(try bytes(guest, 160, 256) == Array(image[160..<416]))
        #expect(try bytes(guest, 512, 8) == [0x0f, 2, 0, 0, 0, 0, 0, 0])
        #expect(try bytes(guest, 576, 256) == Array(image[576..<832]))
        #expect(try bytes(guest, 896, 24) == Array(image[896..<920]))
        #expect(try bytes(guest, 2432, 8) == Array(image[2432..<2440]))
    }

    @Test func `XSAVEC packs them`() throws {
        var guest = try guest()
        // All but component 3.
        guest.state.general.rax = ~8
        try guest.run([0x48, 0x0f, 0xc7, 0x27])
        let image = Self.image()
        #expect(
            try bytes(guest, 512, 16) == [0x07, 2, 0, 0, 0, 0, 0, 0, 0x07, 2, 0, 0, 0, 0, 0, 0x80])
        #expect(try bytes(guest, 576, 256) == Array(image[576..<832]))
        #expect(try bytes(guest, 832, 8) == Array(image[2432..<2440]))
    }

    @Test(arguments: [
        [0x48, 0x0f, 0xae, 0x27], [0x48, 0x0f, 0xc7, 0x27], [0x48, 0x0f, 0xc7, 0x2f],
    ])
    func `What was saved in either form comes back`(_ save: [UInt8]) throws {
        var guest = try guest()
        try guest.run(save)
        let isSupervisor = save == [0x48, 0x0f, 0xc7, 0x2f]
        guest.state.floatingPoint.image = FloatingPointState().image
        try guest.run(isSupervisor ? [0x48, 0x0f, 0xc7, 0x1f] : [0x48, 0x0f, 0xae, 0x2f])
        #expect(guest.state.events.exception == nil)
        let image = guest.state.floatingPoint.image
        let expected = Self.image()
        for range in [0..<416, 576..<832, 896..<920, 2432..<2440] {
            #expect(Array(image[range]) == Array(expected[range]), "\(range)")
        }
        #expect(image[512] == 0x0f)
        #expect(image[513] == 2)
    }

    @Test func `A component that is not in the area becomes what it is at first`() throws {
        var guest = try guest()
        // An area with nothing in it.
        for offset in stride(from: UInt64(0), to: 2440, by: 8) {
            try guest.rig.memory.store(UInt64(0), at: GuestAddress(Self.area + offset))
        }
        try guest.rig.memory.store(UInt64(0x1f80), at: GuestAddress(Self.area + 24))
        try guest.run([0x48, 0x0f, 0xae, 0x2f])
        let image = guest.state.floatingPoint.image
        #expect(image[512] == 0)
        #expect(image[513] == 0)
        #expect(Array(image[..<2]) == [0x7f, 0x03])
        #expect(image[160..<416].allSatisfy { $0 == 0 })
    }

    @Test func `Only what was asked for changes`() throws {
        var guest = try guest()
        try guest.run([0x48, 0x0f, 0xae, 0x27])
        guest.state.floatingPoint.image[600] = 0
        guest.state.floatingPoint.image[200] = 0
        guest.state.general.rax = 4
        guest.state.general.rdx = 0
        try guest.run([0x48, 0x0f, 0xae, 0x2f])
        #expect(guest.state.floatingPoint.image[600] == Self.image()[600])
        #expect(guest.state.floatingPoint.image[200] == 0)
    }

    struct Fault: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let vector: UInt8
        let prepare: @Sendable (inout CompletionTests.Guest) throws -> Void
    }

    static let faults = [
        Fault(testDescription: "an area that is not aligned", vector: 13) {
            $0.state.general.rdi += 8
        },
        Fault(testDescription: "without CR4.OSXSAVE", vector: 6) {
            $0.state.system.cr4 &= ~(1 << 18)
        },
        Fault(testDescription: "with CR0.TS", vector: 7) { $0.state.system.cr0 |= 8 },
        Fault(testDescription: "a component that XCR0 lacks", vector: 13) {
            try $0.rig.memory.store(UInt64(0x10), at: GuestAddress(Self.area + 512))
        },
        Fault(testDescription: "reserved bits of the header", vector: 13) {
            try $0.rig.memory.store(UInt64(1), at: GuestAddress(Self.area + 528))
        },
        Fault(testDescription: "reserved bits of MXCSR", vector: 13) {
            try $0.rig.memory.store(UInt64(1 << 16), at: GuestAddress(Self.area + 24))
        },
        Fault(testDescription: "an area that is not there", vector: 14) {
            $0.state.general.rdi = 0x4000_0000
        },
    ]

    @Test(arguments: faults)
    func `XRSTOR refuses`(_ fault: Fault) throws {
        var guest = try guest()
        try guest.run([0x48, 0x0f, 0xae, 0x27])
        try fault.prepare(&guest)
        let before = guest.state.floatingPoint
        try guest.run([0x48, 0x0f, 0xae, 0x2f])
        #expect(guest.state.events.exception?.vector == fault.vector)
        #expect(guest.state.floatingPoint == before)
    }

    @Test func `XSETBV takes components that go together`() throws {
        var guest = try guest()
        guest.state.general.rcx = 0
        guest.state.general.rax = 7
        guest.state.general.rdx = 0
        try guest.run([0x0f, 0x01, 0xd1])
        #expect(guest.state.floatingPoint.xcr0 == 7)
        guest.state.general.rax = 5
        try guest.run([0x0f, 0x01, 0xd1])
        #expect(guest.state.events.exception?.vector == 13)
        guest.state.general.rcx = 0
        try guest.run([0x0f, 0x01, 0xd0])
        #expect(guest.state.general.rax == 7)
    }

    @Test func `The host's own layout is sound`() {
        let layout = ExtendedStateLayout.host
        #expect(layout.userMask & 3 == 3)
        for number in layout.numbers(in: layout.userMask) {
            let component = layout[number]
            #expect(component.map { $0.offset >= 576 && $0.byteCount > 0 } == true)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import CLinux
import Linux
import Testing

@testable import KVM

/// Each request's number says how long its argument is; the types that are passed agree.
@Suite struct RequestTests {
    static let sizes: [(Request, Int)] = [
        (.setUserMemoryRegion, MemoryLayout<kvm_userspace_memory_region>.size),
        (.setIdentityMapAddress, MemoryLayout<UInt64>.size),
        (.createPIT, MemoryLayout<kvm_pit_config>.size),
        (.irqLine, MemoryLayout<SIMD2<UInt32>>.size),
        (.irqDescriptor, MemoryLayout<kvm_irqfd>.size),
        (.ioDescriptor, MemoryLayout<kvm_ioeventfd>.size),
        (.getPIT, MemoryLayout<kvm_pit_state2>.size),
        (.setPIT, MemoryLayout<kvm_pit_state2>.size),
        (.getClock, MemoryLayout<kvm_clock_data>.size),
        (.setClock, MemoryLayout<kvm_clock_data>.size),
        (.getRegisters, MemoryLayout<kvm_regs>.size),
        (.setRegisters, MemoryLayout<kvm_regs>.size),
        (.getSystemRegisters, MemoryLayout<kvm_sregs>.size),
        (.setSystemRegisters, MemoryLayout<kvm_sregs>.size),
        (.getXCRs, MemoryLayout<kvm_xcrs>.size),
        (.setXCRs, MemoryLayout<kvm_xcrs>.size),
        (.getDebugRegisters, MemoryLayout<kvm_debugregs>.size),
        (.setDebugRegisters, MemoryLayout<kvm_debugregs>.size),
        (.getEvents, MemoryLayout<kvm_vcpu_events>.size),
        (.setEvents, MemoryLayout<kvm_vcpu_events>.size),
        (.getMPState, MemoryLayout<kvm_mp_state>.size),
        (.setMPState, MemoryLayout<kvm_mp_state>.size),
        (.setGuestDebug, MemoryLayout<kvm_guest_debug>.size),
        (.enableCapability, MemoryLayout<kvm_enable_cap>.size),
        (.translate, MemoryLayout<kvm_translation>.size),
        // Of variable length: their heads, and what arrays of words hold.
        (.getIRQChip, IRQChip(0).words.count * 4),
        (.getXSAVE, 4096), (.setXSAVE, 4096), (.getLocalAPIC, 1024), (.setLocalAPIC, 1024),
        (.setCPUID, 8), (.getSupportedCPUID, 8), (.getMSRs, 8), (.setMSRs, 8),
        (.getMSRIndexList, 4),
        // Plain numbers.
        (.createVM, 0), (.createVCPU, 0), (.run, 0), (.checkExtension, 0), (.getAPIVersion, 0),
        (.setTSSAddress, 0), (.createIRQChip, 0), (.reinjectControl, 0), (.getTSCRate, 0),
        (.setTSCRate, 0),
    ]

    @Test(arguments: sizes.indices)
    func `An argument has the length that its request names`(_ row: Int) {
        let (request, size) = Self.sizes[row]
        #expect(request.argumentSize == size, "\(request)")
    }

    @Test func `Every request has its name`() {
        for (request, _) in Self.sizes { #expect("\(request)".hasPrefix("KVM_")) }
        #expect("\(Request(rawValue: 0x1234))" == "request 0x1234")
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `The interval timer can be told to lose ticks, once it is there`() throws {
        #expect(throws: KVMError.request(.reinjectControl, Errno(rawValue: 6))) {
            try loseTicks(withPIT: false)
        }
        try loseTicks(withPIT: true)
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A guest gets its ticks where lost ones are not made up for`() throws {
        let machine = try SmallMachine(.kvm, try GuestImage("timers"))
        let kvm = try #require(machine.machine as? KVMVirtualMachine)
        try kvm.kernel.descriptor.losePITTicks()
        #expect(try machine.run() == "pit 00000000 apic\n")
    }

    private func loseTicks(withPIT: Bool) throws {
        let device = try KVMDevice()
        let vm = try device.makeVM()
        try vm.makeIRQChip()
        if withPIT { try vm.makePIT() }
        try vm.losePITTicks()
    }

    @Test func `An internal error is told with all that the kernel says of it`() {
        let rows: [(UInt32, [UInt64], String)] = [
            (2, [], "2 (one exception inside another)"),
            (
                3, [0x8000_0b0e, 0x31, 0x181, 1],
                "3 (an exit while an event was delivered): "
                    + "0x80000b0e, 0x31, 0x181, 0x1"
            ),
            (4, [0x4a, 0], "4 (an exit that it does not know): 0x4a, 0x0"),
            (9, [7], "9: 0x7"),
        ]
        for (number, data, text) in rows {
            #expect(
                RunExit.internalErrorText(number, data) == "KVM met its internal error " + text)
        }
    }

    /// A page as the kernel fills it for an exit of this kind, with more words than there is room.
    @Test func `The words of an internal error are read from the page, and no more than there are`()
        throws
    {
        let mapping = try Mapping.anonymous(byteCount: 4096)
        var bytes = [UInt8](repeating: 0, count: 4096)
        // The reason is at 8, the union at 32: sub-error, count, words.
        bytes[8] = 17
        bytes[32] = 3
        bytes[36] = 200
        for index in 0..<16 { bytes[40 + index * 8] = UInt8(index + 1) }
        mapping.fill(bytes)
        let page = RunPage(mapping)
        let exit = page.exit
        let data = page.internalData
        #expect(exit == .internalError(3))
        #expect(data == (1...16).map { UInt64($0) })
    }

    @Test func `An instruction is counted by its opcode`() {
        let rows: [([UInt8], String)] = [
            ([0xf3, 0x48, 0x0f, 0xb8, 0xc7], "f3 0f b8"), ([0xcc], "cc"),
            ([0xf0, 0x48, 0x0f, 0xc7, 0x0f], "0f c7"), ([0x0f, 0x01, 0xca], "0f 01"),
            ([0x66, 0x0f, 0x38, 0xf6, 0xc0], "66 0f 38 f6"), ([0xc5, 0xf8, 0x77], "vex 77"),
            ([0xc4, 0xe2, 0xfb, 0xf7, 0xc0], "vex f7"), ([], "unknown"), ([0x48], "unknown"),
            ([0x0f], "0f"),
        ]
        for (bytes, name) in rows { #expect(Instruction.opcode(bytes) == name) }
        // A guest that writes prefixes in all orders makes few names of them.
        let prefixes: [UInt8] = [0x66, 0xf2, 0xf3, 0x66]
        var names: Set<String> = []
        for number in 0..<4096 {
            let bytes = (0..<6).map { prefixes[number >> ($0 * 2) & 3] }
            names.insert(Instruction.opcode(bytes + [0xcc]))
        }
        #expect(names == ["66 cc", "f2 cc", "f3 cc", "66 f2 cc", "66 f3 cc"])
        #expect(Instruction.text([0x0f, 0x0b]) == "0f 0b")
        #expect(Instruction.text([]) == "(bytes unknown)")
    }
}

/// The kernel's statistics are read with care: bytes that are none give no value.
@Suite struct StatisticsTests {
    /// One value called "abc" after a header and a description.
    private func file(value: UInt64 = 42) -> [UInt8] {
        func bytes(_ words: [UInt32]) -> [UInt8] {
            words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
        }
        let head = bytes([0, 8, 1, 24, 24, 48])
        let description = bytes([0, 1 << 16, 0, 0]) + Array("abc".utf8) + [0, 0, 0, 0, 0]
        return head + description + bytes([UInt32(value), UInt32(value >> 32)])
    }

    @Test func `A value is found by its name`() {
        #expect(Statistics.value("abc", in: file()[...]) == 42)
        #expect(Statistics.value("abd", in: file()[...]) == nil)
        #expect(Statistics.value("ab", in: file()[...]) == nil)
    }

    @Test func `Broken statistics give no value and do no harm`() {
        let whole = file()
        for count in 0..<whole.count { _ = Statistics.value("abc", in: whole[..<count]) }
        #expect(Statistics.value("abc", in: whole[..<40]) == nil)
        for place in whole.indices {
            for value in [0, 1, 0x7f, 0x80, 0xff] as [UInt8] {
                var broken = whole
                broken[place] = value
                _ = Statistics.value("abc", in: broken[...])
            }
        }
    }
}

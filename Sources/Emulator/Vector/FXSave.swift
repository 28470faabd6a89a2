// SPDX-License-Identifier: Apache-2.0

/// FXSAVE, FXRSTOR, XSAVE, XRSTOR: x87 and vector state in memory. Intel SDM 1, 10.5.1 and 13.
extension Vectors {
    /// Bytes of the legacy area, and of it with the XSAVE header.
    private static var legacyBytes: UInt64 { 512 }
    private static var standardBytes: UInt64 { 576 }
    private static var x87Component: UInt64 { 1 }
    private static var sseComponent: UInt64 { 2 }
    private static var mxcsrMask: UInt32 { 0xffff }

    // MARK: Handlers. `extra` bit 0: 64-bit instruction and data pointers (REX.W); bit 1: 64-bit mode,
    // else above it the operand's segment

    static let fxsave: Handler = { processor, operation in
        save(Processor(processor), Op(operation))
    }
    static let fxrstor: Handler = { processor, operation in
        restore(Processor(processor), Op(operation))
    }
    static let xsave: Handler = { processor, operation in
        extendedSave(Processor(processor), Op(operation))
    }
    static let xrstor: Handler = { processor, operation in
        extendedRestore(Processor(processor), Op(operation))
    }

    @inline(never) private static func save(_ cpu: Processor, _ op: Op) -> UInt {
        if cpu.state.cr0 & 0xc != 0 { return cpu.raise(op, .deviceNotAvailable) }
        let address = cpu.effectiveAddress(op)
        guard isAligned(cpu, address) else { return cpu.fault(op) }
        guard
            op.extra & 2 != 0
                || cpu.mayAccess(Int(op.extra >> 2), at: address, byteCount: 4, write: true),
            cpu.canWrite(address, byteCount: legacyBytes),
            storeX87(cpu, op, address), storeControl(cpu, op, address),
            storeX87Registers(cpu, op, address), storeSSE(cpu, op, address)
        else { return cpu.fault(op) }
        return op.next
    }

    @inline(never) private static func restore(_ cpu: Processor, _ op: Op) -> UInt {
        if cpu.state.cr0 & 0xc != 0 { return cpu.raise(op, .deviceNotAvailable) }
        let address = cpu.effectiveAddress(op)
        guard isAligned(cpu, address) else { return cpu.fault(op) }
        guard let image = LegacyImage(cpu, address) else { return cpu.fault(op) }
        for offset in stride(from: UInt64(0), to: 28, by: 4) {
            guard mayAccess(cpu, op, address &+ offset, 4, write: false) else {
                return cpu.fault(op)
            }
        }
        guard image.control & ~mxcsrMask == 0 else { return cpu.raise(op, .generalProtection) }
        image.restoreX87(cpu, wide: op.extra & 1 != 0)
        cpu.setControlStatus(image.control)
        for index in 0..<8 {
            let place = address &+ 32 &+ UInt64(index) &* 16
            guard mayAccess(cpu, op, place, 8, write: false),
                mayAccess(cpu, op, place &+ 8, 8, write: false)
            else { return cpu.fault(op) }
            image.restoreX87Register(cpu, index)
        }
        for number in (0..<vectorCount(op)).reversed() {
            let place = address &+ 160 &+ UInt64(number) &* 16
            guard mayAccess(cpu, op, place, 16, write: false) else { return cpu.fault(op) }
            image.restoreVector(cpu, number)
        }
        return op.next
    }

    /// Of FXSAVE and FXRSTOR: #AC, where it is asked for, comes before #GP. On the stack, a first word
    /// whose place is not canonical is found before it is found unaligned.
    private static func isAligned(_ cpu: Processor, _ address: UInt64) -> Bool {
        if address & 15 == 0 { return true }
        let isWrong = cpu.isWrong(address, 4)
        if !isWrong, !cpu.isAligned(address, 4) { return false }
        cpu.pend(.generalProtection)
        cpu.state.pending.isAddress = isWrong
        return false
    }

    @inline(never) private static func extendedSave(_ cpu: Processor, _ op: Op) -> UInt {
        guard let address = extendedOperand(cpu, op) else { return cpu.fault(op) }
        let requested = cpu.state.xcr0 & componentMask(cpu)
        guard cpu.canWrite(address, byteCount: standardBytes) else { return cpu.fault(op) }
        guard let present: UInt64 = cpu.load(address &+ 512) else { return cpu.fault(op) }
        if requested & x87Component != 0 {
            guard storeX87(cpu, op, address), storeX87Registers(cpu, op, address) else {
                return cpu.fault(op)
            }
        }
        if requested & sseComponent != 0 {
            guard storeControl(cpu, op, address), storeSSE(cpu, op, address) else {
                return cpu.fault(op)
            }
        }
        // All that was asked for is in use.
        return cpu.store(address &+ 512, present | requested) ? op.next : cpu.fault(op)
    }

    @inline(never) private static func extendedRestore(_ cpu: Processor, _ op: Op) -> UInt {
        guard let address = extendedOperand(cpu, op) else { return cpu.fault(op) }
        let requested = cpu.state.xcr0 & componentMask(cpu)
        guard let image = LegacyImage(cpu, address) else { return cpu.fault(op) }
        var rest: UInt64 = 0
        for word in UInt64(1)..<8 {
            guard let value: UInt64 = cpu.load(address &+ 512 &+ 8 &* word) else {
                return cpu.fault(op)
            }
            // Bytes 23 to 8 of the header are zero in the standard form.
            if word < 3 { rest |= value }
        }
        guard let present: UInt64 = cpu.load(address &+ 512) else { return cpu.fault(op) }
        let takesControl = requested & sseComponent != 0
        guard rest == 0, present & ~cpu.state.xcr0 == 0,
            !takesControl || image.control & ~mxcsrMask == 0
        else { return cpu.raise(op, .generalProtection) }
        if requested & x87Component != 0 {
            if present & x87Component != 0 {
                image.restoreX87(cpu, wide: op.extra & 1 != 0)
                for index in 0..<8 { image.restoreX87Register(cpu, index) }
            } else {
                cpu.state.x87 = X87State()
            }
        }
        if takesControl {
            cpu.setControlStatus(image.control)
            if present & sseComponent != 0 {
                for number in 0..<vectorCount(op) { image.restoreVector(cpu, number) }
            } else {
                for number in 0..<vectorCount(op) { cpu.setVector(UInt8(number), .zero) }
            }
        }
        return op.next
    }

    /// The operand of XSAVE or XRSTOR, or nil with an exception pending.
    private static func extendedOperand(_ cpu: Processor, _ op: Op) -> UInt64? {
        if cpu.state.cr4 & 0x4_0000 == 0 {
            cpu.pend(.invalidOpcode)
            return nil
        }
        if cpu.state.cr0 & 8 != 0 {
            cpu.pend(.deviceNotAvailable)
            return nil
        }
        let address = cpu.effectiveAddress(op)
        if address & 63 != 0 {
            cpu.pend(.generalProtection)
            return nil
        }
        return address
    }

    /// EDX:EAX.
    private static func componentMask(_ cpu: Processor) -> UInt64 {
        cpu.rax & 0xffff_ffff | cpu.rdx << 32
    }
    private static func vectorCount(_ op: Op) -> Int { op.extra & 2 != 0 ? 16 : 8 }

    // MARK: Parts of the legacy area, in the order of AMD's processors, which keep those before one
    // that the segment refuses

    /// Whether a part lies in the segment as a whole; in 64-bit code there is none to ask.
    private static func mayAccess(
        _ cpu: Processor, _ op: Op, _ address: UInt64, _ byteCount: UInt64, write: Bool
    ) -> Bool {
        if op.extra & 2 != 0 { return true }
        return cpu.mayAccess(
            Int(op.extra >> 2), at: address, byteCount: byteCount, write: write)
    }

    private static func store<T: Word>(
        _ cpu: Processor, _ op: Op, _ address: UInt64, _ value: T
    ) -> Bool {
        mayAccess(cpu, op, address, UInt64(T.byteCount), write: true) && cpu.store(address, value)
    }

    private static func storeX87(_ cpu: Processor, _ op: Op, _ address: UInt64) -> Bool {
        let unit = cpu.state.x87
        let status = unit.status & ~0x3800 | UInt16(unit.top & 7) << 11
        let mask: UInt64 = op.extra & 1 != 0 ? .max : 0xffff_ffff
        return store(cpu, op, address, UInt32(unit.control) | UInt32(status) << 16)
            && store(cpu, op, address &+ 4, UInt16(~unit.empty))
            && store(cpu, op, address &+ 6, unit.lastOpcode & 0x7ff)
            && store(cpu, op, address &+ 8, unit.lastInstruction & mask)
            && store(cpu, op, address &+ 16, unit.lastData & mask)
    }
    private static func storeX87Registers(_ cpu: Processor, _ op: Op, _ address: UInt64) -> Bool {
        for index in 0..<8 {
            let image = cpu.x87Image(Int(cpu.state.x87.top) &+ index)
            let place = address &+ 32 &+ UInt64(index) &* 16
            guard store(cpu, op, place, image.significand),
                store(cpu, op, place &+ 8, UInt64(image.signAndExponent))
            else { return false }
        }
        return true
    }
    private static func storeControl(_ cpu: Processor, _ op: Op, _ address: UInt64) -> Bool {
        store(cpu, op, address &+ 24, cpu.controlStatus)
            && store(cpu, op, address &+ 28, mxcsrMask)
    }
    private static func storeSSE(_ cpu: Processor, _ op: Op, _ address: UInt64) -> Bool {
        for number in (0..<vectorCount(op)).reversed() {
            let place = address &+ 160 &+ UInt64(number) &* 16
            guard mayAccess(cpu, op, place, 16, write: true),
                cpu.storeVector(place, cpu.vector(UInt8(number)))
            else { return false }
        }
        return true
    }
}

/// The first 416 bytes of a legacy area, read before anything changes, once its last one was seen.
private struct LegacyImage {
    private var words = InlineArray<26, Vector>(repeating: .zero)

    /// Nil with an exception pending.
    init?(_ cpu: Processor, _ address: UInt64) {
        guard cpu.load(cpu.lastByte(of: address, 512), UInt8.self) != nil else { return nil }
        for index in 0..<26 {
            guard let value = cpu.loadVector(address &+ UInt64(index) &* 16) else { return nil }
            words[index] = value
        }
    }

    /// MXCSR.
    var control: UInt32 { UInt32(truncatingIfNeeded: words[1][1]) }

    /// The x87 unit but its registers.
    func restoreX87(_ cpu: Processor, wide: Bool) {
        let first = words[0][0]
        var unit = X87State()
        let status = UInt16(truncatingIfNeeded: first >> 16)
        unit.control = UInt16(truncatingIfNeeded: first) & 0x1f7f | 0x40
        unit.status = status & ~0x3800
        unit.top = UInt8(truncatingIfNeeded: status >> 11 & 7)
        unit.empty = ~UInt8(truncatingIfNeeded: first >> 32)
        unit.lastOpcode = UInt16(truncatingIfNeeded: first >> 48) & 0x7ff
        let mask: UInt64 = wide ? .max : 0xffff_ffff
        unit.lastInstruction = words[0][1] & mask
        unit.lastData = words[1][0] & mask
        // ES and B tell whether an unmasked exception waits.
        let waits = unit.status & ~unit.control & 0x3f != 0
        unit.status = unit.status & ~0x8080 | (waits ? 0x8080 : 0)
        unit.registers = cpu.state.x87.registers
        cpu.state.x87 = unit
    }

    /// ST(`index`), once the rest of the unit has been restored.
    func restoreX87Register(_ cpu: Processor, _ index: Int) {
        let value = words[2 + index]
        let image = X87Image(
            significand: value[0], signAndExponent: UInt16(truncatingIfNeeded: value[1]))
        cpu.setX87Image(Int(cpu.state.x87.top) &+ index, image)
    }

    func restoreVector(_ cpu: Processor, _ number: Int) {
        cpu.setVector(UInt8(number), words[10 + number])
    }
}

extension Processor {
    /// Where an image of `byteCount` bytes ends, which is where the processor looks first. Outside
    /// 64-bit code it wraps.
    fileprivate func lastByte(of address: UInt64, _ byteCount: UInt64) -> UInt64 {
        (address &+ byteCount &- 1) & (state.mode.is64 ? .max : 0xffff_ffff)
    }

    /// Whether `byteCount` bytes, at most a page, can be written; else an exception is pending.
    fileprivate func canWrite(_ address: UInt64, byteCount: UInt64) -> Bool {
        probeWrite(lastByte(of: address, byteCount), byteCount: 1)
            && probeWrite(address, byteCount: 1)
    }
}

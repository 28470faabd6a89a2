// SPDX-License-Identifier: Apache-2.0

/// The XSAVE family with all components of the host, for instructions that are completed.
/// Intel SDM 1, 13.7 to 13.12.
enum ExtendedStateHandlers {
    /// What an instruction of the family does besides. In `extra`.
    struct Form: OptionSet {
        let rawValue: UInt16
        /// REX.W: x87 pointers have 64 bits.
        static var wide: Form { Form(rawValue: 1) }
        /// XSAVEC: components lie one behind the other.
        static var compacted: Form { Form(rawValue: 2) }
        /// XSAVEOPT: components in their initial state are not written.
        static var optimized: Form { Form(rawValue: 4) }
        /// XSAVES, XRSTORS.
        static var supervisor: Form { Form(rawValue: 8) }
    }

    static let save: Handler = { run(Processor($0), Op($1)) { save($0, $1, $2, $3) } }
    static let restore: Handler = { run(Processor($0), Op($1)) { restore($0, $1, $2, $3) } }

    /// What all of the family check first.
    private static func run(
        _ cpu: Processor, _ op: Op,
        _ body: (Processor, UInt64, Form, CompletionHost) -> Bool
    ) -> UInt {
        let form = Form(rawValue: op.extra)
        guard let host = cpu.vcpu.completion, cpu.state.cr4 & ControlBits.osxsave != 0 else {
            return cpu.raise(op, .invalidOpcode)
        }
        if cpu.state.cr0 & ControlBits.ts != 0 { return cpu.raise(op, .deviceNotAvailable) }
        let address = cpu.effectiveAddress(op)
        guard address & 63 == 0, !form.contains(.supervisor) || cpu.state.privilege == 0 else {
            return cpu.raise(op, .generalProtection)
        }
        return body(cpu, address, form, host) ? op.next : cpu.fault(op)
    }

    /// EDX:EAX, of what XCR0 enables. IA32_XSS enables nothing here.
    private static func requested(_ cpu: Processor) -> UInt64 {
        cpu.state.xcr0 & (cpu.rax & 0xffff_ffff | cpu.rdx << 32)
    }

    // MARK: XSAVE, XSAVEOPT, XSAVEC, XSAVES

    private static func save(
        _ cpu: Processor, _ address: UInt64, _ form: Form, _ host: CompletionHost
    ) -> Bool {
        let mask = requested(cpu)
        let isCompacted = form.contains(.compacted)
        let places = isCompacted ? host.layout.compacted(mask) : host.layout.standard(mask)
        guard cpu.canWrite(address, byteCount: places.end) else { return false }
        let area = host.area
        var inUse = area.inUse & mask
        if mask & ExtendedArea.sse != 0, area.control != ExtendedArea.initialControl {
            inUse |= ExtendedArea.sse
        }
        // Those written: all that was asked for, or only what is not in its initial state.
        let written = isCompacted || form.contains(.optimized) ? inUse : mask
        guard saveLegacy(cpu, address, written, form, area),
            saveControl(cpu, address, isCompacted ? written & ExtendedArea.sse : mask & 6, area)
        else { return false }
        for number in host.layout.numbers(in: written) {
            guard let component = host.layout[number], let offset = places.offsets[number]
            else { continue }
            for place in stride(from: 0, to: component.byteCount, by: 8) {
                let value =
                    inUse >> UInt64(number) & 1 != 0 ? area.word(component.offset + place) : 0
                guard cpu.store(address &+ UInt64(offset + place), value) else { return false }
            }
        }
        return saveHeader(cpu, address, mask, inUse, isCompacted)
    }

    private static func saveLegacy(
        _ cpu: Processor, _ address: UInt64, _ written: UInt64, _ form: Form, _ area: ExtendedArea
    ) -> Bool {
        for part in [ExtendedArea.x87, ExtendedArea.sse] where written & part != 0 {
            for place in ExtendedArea.places(part) {
                var value = area.word(place)
                if place == 8 || place == 16, !form.contains(.wide) { value &= 0xffff_ffff }
                guard cpu.store(address &+ UInt64(place), value) else { return false }
            }
        }
        return true
    }

    private static func saveControl(
        _ cpu: Processor, _ address: UInt64, _ asked: UInt64, _ area: ExtendedArea
    ) -> Bool {
        asked == 0
            || cpu.store(
                address &+ UInt64(ExtendedArea.controlOffset),
                UInt64(area.control) | 0xffff << 32)
    }

    private static func saveHeader(
        _ cpu: Processor, _ address: UInt64, _ mask: UInt64, _ inUse: UInt64, _ isCompacted: Bool
    ) -> Bool {
        let header = address &+ UInt64(ExtendedArea.legacyBytes)
        guard isCompacted else {
            guard let old: UInt64 = cpu.load(header) else { return false }
            return cpu.store(header, old & ~mask | inUse)
        }
        guard cpu.store(header, inUse), cpu.store(header &+ 8, mask | 1 << 63) else { return false }
        for word in UInt64(2)..<8 where !cpu.store(header &+ word &* 8, UInt64(0)) { return false }
        return true
    }

    // MARK: XRSTOR, XRSTORS

    private static func restore(
        _ cpu: Processor, _ address: UInt64, _ form: Form, _ host: CompletionHost
    ) -> Bool {
        let mask = requested(cpu)
        guard let image = AreaImage(cpu, address) else { return false }
        let places =
            image.isCompacted
            ? host.layout.compacted(image.contents) : host.layout.standard(cpu.state.xcr0)
        guard image.isValid(xcr0: cpu.state.xcr0, compactedOnly: form.contains(.supervisor)),
            !image.takesControl(mask) || image.control & ~0xffff == 0
        else {
            cpu.pend(.generalProtection)
            return false
        }
        var area = host.area
        let loaded = image.present & mask
        for number in host.layout.numbers(in: loaded) {
            guard let component = host.layout[number], let offset = places.offsets[number]
            else { continue }
            for place in stride(from: 0, to: component.byteCount, by: 8) {
                guard let value: UInt64 = cpu.load(address &+ UInt64(offset + place)) else {
                    return false
                }
                area.put(component.offset + place, value)
            }
        }
        image.restoreLegacy(mask, into: &area, wide: form.contains(.wide))
        area.inUse = area.inUse & ~mask | loaded
        host.area = area
        host.areaWasLoaded = true
        return true
    }

    // MARK: XCR0

    /// XGETBV: XCR0, or with ECX = 1 which of it is in use.
    static let get: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        guard let host = cpu.vcpu.completion, cpu.state.cr4 & ControlBits.osxsave != 0 else {
            return cpu.raise(op, .invalidOpcode)
        }
        let number = cpu.get(Register.rcx, UInt32.self)
        guard number < 2 else { return cpu.raise(op, .generalProtection) }
        let value = cpu.state.xcr0 & (number == 0 ? .max : host.area.inUse)
        cpu.rax = value & 0xffff_ffff
        cpu.rdx = value >> 32
        return op.next
    }

    /// XSETBV: any of the host's components, as far as they go together.
    static let set: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        guard let host = cpu.vcpu.completion, cpu.state.cr4 & ControlBits.osxsave != 0 else {
            return cpu.raise(op, .invalidOpcode)
        }
        let value = cpu.rax & 0xffff_ffff | cpu.rdx << 32
        let wide = value & 0xe0
        guard cpu.state.privilege == 0, cpu.get(Register.rcx, UInt32.self) == 0,
            value & 1 != 0, value & ~host.layout.userMask == 0,
            value & 4 == 0 || value & 2 != 0, wide == 0 || wide == 0xe0 && value & 4 != 0
        else { return cpu.raise(op, .generalProtection) }
        cpu.state.xcr0 = value
        return op.next
    }
}

/// The first 576 bytes of an area in guest memory, read once before anything changes.
private struct AreaImage {
    private var words: [UInt64]

    /// Nil with an exception pending.
    init?(_ cpu: Processor, _ address: UInt64) {
        words = []
        words.reserveCapacity(72)
        for index in UInt64(0)..<72 {
            guard let value: UInt64 = cpu.load(address &+ index &* 8) else { return nil }
            words.append(value)
        }
    }

    var control: UInt32 { UInt32(truncatingIfNeeded: words[3]) }
    /// XSTATE_BV.
    var present: UInt64 { words[64] }
    var isCompacted: Bool { words[65] >> 63 != 0 }
    /// What the compacted form has room for.
    var contents: UInt64 { words[65] & ~(1 << 63) }

    func isValid(xcr0: UInt64, compactedOnly: Bool) -> Bool {
        guard isCompacted else {
            return !compactedOnly && present & ~xcr0 == 0 && words[65] == 0 && words[66] == 0
        }
        return contents & ~xcr0 == 0 && present & ~contents == 0
            && words[66..<72].allSatisfy { $0 == 0 }
    }

    /// MXCSR is loaded from the area.
    func takesControl(_ mask: UInt64) -> Bool {
        isCompacted
            ? mask & present & ExtendedArea.sse != 0
            : mask & (ExtendedArea.sse | ExtendedArea.avx) != 0
    }

    /// x87, XMM registers and MXCSR, as far as `mask` asks for them.
    func restoreLegacy(_ mask: UInt64, into area: inout ExtendedArea, wide: Bool) {
        for part in [ExtendedArea.x87, ExtendedArea.sse] where mask & part != 0 {
            guard present & part != 0 else {
                area.clear(part)
                continue
            }
            for place in ExtendedArea.places(part) {
                var value = words[place / 8]
                if place == 8 || place == 16, !wide { value &= 0xffff_ffff }
                area.put(place, value)
            }
        }
        if takesControl(mask) {
            area.control = control
        } else if mask & ExtendedArea.sse != 0 {
            area.control = ExtendedArea.initialControl
        }
    }
}

extension Processor {
    /// Whether `byteCount` bytes can all be written; else an exception is pending.
    fileprivate func canWrite(_ address: UInt64, byteCount: Int) -> Bool {
        var place = address
        let last = address &+ UInt64(byteCount) &- 1
        while true {
            guard probeWrite(place, byteCount: 1) else { return false }
            let next = (place | 0xfff) &+ 1
            guard next != 0, last &- next < UInt64(byteCount) else { break }
            place = next
        }
        return true
    }
}

// SPDX-License-Identifier: Apache-2.0

/// The register page and the MSRs of a local APIC. A register's index is its offset in the page
/// over 16, and its MSR less 0x800. Intel SDM 3, tables 11-1 and 11-6.
extension LocalAPIC {
    /// What a register write asks of the rest of the machine.
    package enum Effect: Hashable, Sendable {
        case none
        /// No such register, or a value it does not take.
        case refused
        /// The level-triggered interrupt of this vector has been dealt with.
        case endOfInterrupt(UInt8)
        /// Send what this interrupt command says.
        case send(UInt64)
        /// The APIC has become able to take interrupts.
        case enabled
    }

    /// Reads the register at `index`; nil where there is none. Bits above 32 only for the
    /// interrupt command in x2APIC mode.
    package func read(_ index: Int, now: UInt64) -> UInt64? {
        switch index {
        case 0x02: UInt64(isX2 ? identity.id : identity.id << 24)
        case 0x03: UInt64(Self.version)
        case 0x08: UInt64(taskPriority)
        case 0x09: isX2 ? nil : UInt64(arbitrationPriority)
        case 0x0a: UInt64(processorPriority)
        case 0x0b, 0x0c: isX2 ? nil : 0
        case 0x0d: UInt64(isX2 ? logicalX2 : identity.logical)
        case 0x0e: isX2 ? nil : UInt64(identity.format)
        case 0x0f: UInt64(spurious)
        case 0x10...0x17: UInt64(vectors.inService.register(index & 7))
        case 0x18...0x1f: UInt64(vectors.level.register(index & 7))
        case 0x20...0x27: UInt64(vectors.requested.register(index & 7))
        case 0x28: UInt64(errors.visible)
        case 0x30: isX2 ? command : command & 0xffff_ffff
        case 0x31: isX2 ? nil : command >> 32
        case 0x32...0x37: UInt64(entries[index &- 0x32])
        case 0x38: UInt64(timer.initialCount)
        case 0x39: UInt64(timer.currentCount(now: now))
        case 0x3e: UInt64(timer.divideConfiguration)
        default: nil
        }
    }

    /// Writes the register at `index` in xAPIC mode: reserved bits are dropped, a register that is
    /// not there is an error in ESR.
    package mutating func writePage(_ index: Int, _ value: UInt32, now: UInt64) -> Effect {
        switch index {
        case 0x02, 0x03, 0x09, 0x0a, 0x0c, 0x10...0x27, 0x39:
            return .none
        case 0x0d:
            identity.logical = value & 0xff00_0000
        case 0x0e:
            identity.format = value | 0x0fff_ffff
        case 0x30:
            command = command & ~0xffff_ffff | UInt64(value & 0xc_cfff)
            return .send(command)
        case 0x31:
            command = command & 0xffff_ffff | UInt64(value & 0xff00_0000) << 32
        default:
            let effect = write(index, value, now: now)
            if effect == .refused { fail(.illegalRegister) }
            return effect
        }
        return .none
    }

    /// Writes an MSR from 0x800 up; `.refused` is #GP. Intel SDM 3, 11.12.1.3.
    package mutating func writeX2(_ index: Int, _ value: UInt64, now: UInt64) -> Effect {
        guard isX2 else { return .refused }
        if index == 0x30 {
            guard value & 0xfff3_2000 == 0 else { return .refused }
            command = value & ~0x1000
            return .send(command)
        }
        guard value >> 32 == 0, let reserved = reservedX2(index), UInt32(value) & reserved == 0
        else { return .refused }
        let value = UInt32(value)
        if index == 0x3f { return .send(0x4_0000 | UInt64(value)) }
        return write(index, value, now: now)
    }

    /// Bits that must be 0 in an x2APIC register; nil if it cannot be written.
    private func reservedX2(_ index: Int) -> UInt32? {
        switch index {
        case 0x08, 0x3f: ~0xff
        case 0x0b, 0x28: .max
        case 0x0f: ~0x3ff
        case 0x32...0x37: Entry(rawValue: index &- 0x32).map { ~($0.writable | $0.readOnly) }
        case 0x38: 0
        case 0x3e: ~0xb
        default: nil
        }
    }

    /// The registers that both modes write alike.
    private mutating func write(_ index: Int, _ value: UInt32, now: UInt64) -> Effect {
        switch index {
        case 0x08:
            taskPriority = UInt8(truncatingIfNeeded: value)
        case 0x0b:
            return endOfInterrupt().map(Effect.endOfInterrupt) ?? .none
        case 0x0f:
            return setSpurious(value)
        case 0x28:
            errors = ErrorStatus(pending: 0, visible: errors.pending)
        case 0x32...0x37:
            guard let entry = Entry(rawValue: index &- 0x32) else { return .refused }
            set(entry, value)
        case 0x38:
            timer.start(count: value, now: now)
        case 0x3e:
            timer.setDivideConfiguration(value, now: now)
        default:
            return .refused
        }
        return .none
    }

    private mutating func setSpurious(_ value: UInt32) -> Effect {
        let wasEnabled = isSoftwareEnabled
        spurious = value & 0x3ff
        guard !isSoftwareEnabled else { return wasEnabled ? .none : .enabled }
        for entry in Entry.allCases { self[entry] |= Self.masked }
        return .none
    }

    private mutating func set(_ entry: Entry, _ value: UInt32) {
        let forced = isSoftwareEnabled ? 0 : Self.masked
        self[entry] = value & entry.writable | forced
        guard entry == .timer else { return }
        timer.select(LocalAPICTimer.Mode(rawValue: UInt8(value >> 17 & 3)) ?? .reserved)
    }

    // MARK: IA32_APIC_BASE. Intel SDM 3, 11.4.3, 11.4.4, 11.12.5.

    /// Writes IA32_APIC_BASE; false is #GP. The base stays where it is, and so does the boot
    /// processor's flag.
    package mutating func writeBase(_ value: UInt64) -> Bool {
        guard value & ~0xd00 == Self.pageAddress else { return false }
        let (isOn, isLong) = (value & 0x800 != 0, value & 0x400 != 0)
        if isLong, !isOn || !isEnabled { return false }
        if isX2, isOn, !isLong { return false }
        let enters = isLong && !isX2
        base = base & ~0xc00 | value & 0xc00
        if !isOn { clearRegisters() }
        if enters { command &= 0xffff_ffff }
        return true
    }
}

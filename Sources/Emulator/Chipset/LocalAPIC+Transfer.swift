// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// A local APIC's registers to and from the page that every engine understands.
///
/// Errors that the guest has not asked for yet (ESR shows what it has), and an interrupt that a
/// message has announced in ExtINT mode, are not part of that page.
extension LocalAPIC {
    private enum Place {
        static var id: Int { 0x20 }
        static var version: Int { 0x30 }
        static var taskPriority: Int { 0x80 }
        static var arbitrationPriority: Int { 0x90 }
        static var processorPriority: Int { 0xa0 }
        static var logical: Int { 0xd0 }
        static var format: Int { 0xe0 }
        static var spurious: Int { 0xf0 }
        static var inService: Int { 0x100 }
        static var level: Int { 0x180 }
        static var requested: Int { 0x200 }
        static var errors: Int { 0x280 }
        static var command: Int { 0x300 }
        static var entries: Int { 0x320 }
        static var initialCount: Int { 0x380 }
        static var currentCount: Int { 0x390 }
        static var divide: Int { 0x3e0 }
    }

    /// The registers at guest time `now`.
    package func page(now: UInt64) -> LocalAPICState {
        var page = LocalAPICState()
        page[Place.id] = isX2 ? identity.id : identity.id << 24
        page[Place.version] = Self.version
        page[Place.taskPriority] = UInt32(taskPriority)
        page[Place.arbitrationPriority] = UInt32(arbitrationPriority)
        page[Place.processorPriority] = UInt32(processorPriority)
        page[Place.logical] = isX2 ? logicalX2 : identity.logical
        page[Place.format] = identity.format
        page[Place.spurious] = spurious
        for index in 0..<8 {
            page[Place.inService + index * 16] = vectors.inService.register(index)
            page[Place.level + index * 16] = vectors.level.register(index)
            page[Place.requested + index * 16] = vectors.requested.register(index)
        }
        page[Place.errors] = errors.visible
        page[Place.command] = UInt32(truncatingIfNeeded: command)
        page[Place.command + 16] = UInt32(truncatingIfNeeded: command >> 32)
        for entry in Entry.allCases { page[Place.entries + entry.rawValue * 16] = self[entry] }
        page[Place.initialCount] = timer.initialCount
        page[Place.currentCount] = timer.currentCount(now: now)
        page[Place.divide] = timer.divideConfiguration
        return page
    }

    /// Takes registers over; `newBase` is IA32_APIC_BASE. False, and nothing has changed: they are
    /// another processor's, or no APIC of this kind has them.
    package mutating func take(
        _ page: LocalAPICState, base newBase: UInt64, now: UInt64
    ) -> Bool {
        var new = self
        guard new.takeBase(newBase) else { return false }
        let id = new.isX2 ? page[Place.id] : page[Place.id] >> 24
        guard id == identity.id else { return false }
        new.taskPriority = UInt8(truncatingIfNeeded: page[Place.taskPriority])
        if !new.isX2 { new.identity.logical = page[Place.logical] & 0xff00_0000 }
        new.identity.format = page[Place.format] | 0x0fff_ffff
        new.spurious = page[Place.spurious] & 0x3ff
        new.vectors = Vectors()
        for index in 0..<8 {
            new.vectors.inService.setRegister(index, page[Place.inService + index * 16])
            new.vectors.level.setRegister(index, page[Place.level + index * 16])
            new.vectors.requested.setRegister(index, page[Place.requested + index * 16])
        }
        new.errors = ErrorStatus(pending: 0, visible: page[Place.errors] & 0xff)
        new.command = UInt64(page[Place.command + 16]) << 32 | UInt64(page[Place.command])
        for entry in Entry.allCases {
            let value = page[Place.entries + entry.rawValue * 16]
            new[entry] = value & (entry.writable | Self.masked)
        }
        new.takeTimer(page, now: now)
        self = new
        return true
    }

    /// Takes IA32_APIC_BASE over but for the boot processor's flag, which is the processor's own.
    package mutating func takeBase(_ value: UInt64) -> Bool {
        guard value & ~0xd00 == Self.pageAddress, value & 0xc00 != 0x400 else { return false }
        base = base & 0x100 | value & ~0x100
        return true
    }

    private mutating func takeTimer(_ page: LocalAPICState, now: UInt64) {
        var new = LocalAPICTimer()
        new.tscOffset = timer.tscOffset
        new.scale = timer.scale
        new.mode = LocalAPICTimer.Mode(rawValue: UInt8(self[.timer] >> 17 & 3)) ?? .reserved
        new.divideConfiguration = page[Place.divide] & 0xb
        new.initialCount = page[Place.initialCount]
        let left = UInt64(min(page[Place.currentCount], new.initialCount))
        // One that goes round shows 0 only when it is due and has not been served yet.
        if new.mode == .oneShot && left != 0 || new.mode == .periodic && new.initialCount != 0 {
            let (sum, overflow) = now.addingReportingOverflow(left &* new.divisor)
            new.expiry = overflow ? .max : sum
        }
        timer = new
    }
}

extension VectorSet {
    /// Sets the 32 vectors from `32 * index` up; `index` 0 to 7.
    package mutating func setRegister(_ index: Int, _ value: UInt32) {
        let shift: UInt64 = index & 1 == 0 ? 0 : 32
        let place = (index >> 1) & 3
        words[place] = words[place] & ~(0xffff_ffff << shift) | UInt64(value) << shift
    }
}

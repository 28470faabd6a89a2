// SPDX-License-Identifier: Apache-2.0

/// One processor's local APIC, in xAPIC or x2APIC mode. Intel SDM 3, chapter 11.
///
/// It knows nothing of other APICs: what a register write asks of them comes back as an
/// ``Effect``. Time is passed in, in guest nanoseconds.
package struct LocalAPIC: Hashable, Sendable {
    /// Where the page of registers lies; it cannot be moved.
    package static var pageAddress: UInt64 { 0xfee0_0000 }
    /// Version 0x14, six LVT entries, no suppression of EOI broadcasts.
    package static var version: UInt32 { 0x0005_0014 }

    /// Who this APIC is.
    package struct Identity: Hashable, Sendable {
        /// The x2APIC ID; below 255.
        package var id: UInt32
        package var isBootProcessor: Bool
        /// LDR of xAPIC mode: bits 24 to 31.
        package var logical: UInt32 = 0
        /// DFR of xAPIC mode.
        package var format: UInt32 = .max
    }

    /// Bits of the error status register. Intel SDM 3, 11.5.3.
    package enum Failure: UInt32 {
        case sendIllegalVector = 0x20
        case receiveIllegalVector = 0x40
        case illegalRegister = 0x80
    }

    /// What has gone wrong since the guest last asked, and what it was last shown.
    package struct ErrorStatus: Hashable, Sendable {
        package var pending: UInt32 = 0
        package var visible: UInt32 = 0
    }

    /// Interrupt requests, what is in service, and which of them are level-triggered.
    package struct Vectors: Hashable, Sendable {
        package var requested = VectorSet()
        package var inService = VectorSet()
        package var level = VectorSet()
    }

    /// What bypasses the vectors, until the processor takes it.
    package struct Signals: Hashable, Sendable {
        package var nonMaskable = false
        package var initialize = false
        package var startup: UInt8?
        /// Sent in ExtINT mode: the vector is to be had from the 8259s.
        package var external = false
        /// The processor does nothing until a startup message.
        package var isWaiting = false
    }

    /// What became of a message.
    package enum Acceptance: Hashable, Sendable {
        case refused, merged, news
    }

    /// Places in ``entries``.
    package enum Entry: Int, CaseIterable, Sendable {
        case timer, thermal, performance, lint0, lint1, error

        /// What the guest can set: vector, delivery mode, polarity and trigger, mask, timer mode.
        var writable: UInt32 {
            switch self {
            case .timer: 0x7_00ff
            case .thermal, .performance: 0x1_07ff
            case .lint0, .lint1: 0x1_a7ff
            case .error: 0x1_00ff
            }
        }

        /// Delivery status, and remote IRR of the two pins: writes do nothing.
        var readOnly: UInt32 { self == .lint0 || self == .lint1 ? 0x5000 : 0x1000 }
    }

    package static var masked: UInt32 { 0x1_0000 }

    package var identity: Identity
    /// IA32_APIC_BASE.
    package var base: UInt64
    package var taskPriority: UInt8 = 0
    /// The spurious-interrupt vector register: vector 0–7, enabled 8, focus checking 9.
    package var spurious: UInt32 = 0xff
    package var vectors = Vectors()
    package var errors = ErrorStatus()
    /// The interrupt command register.
    package var command: UInt64 = 0
    /// The local vector table, by ``Entry``; two places are unused.
    package var entries = SIMD8<UInt32>(repeating: masked)
    package var timer = LocalAPICTimer()
    package var signals = Signals()

    /// As after power-up, in xAPIC mode. The boot processor's two pins are set as firmware leaves
    /// them (virtual wire): LINT0 takes the 8259s' interrupts, LINT1 the NMI.
    package init(id: UInt32, isBootProcessor: Bool) {
        identity = Identity(id: id, isBootProcessor: isBootProcessor)
        base = Self.pageAddress | 0x800 | (isBootProcessor ? 0x100 : 0)
        signals.isWaiting = !isBootProcessor
        wirePins()
    }

    private mutating func wirePins() {
        guard identity.isBootProcessor else { return }
        self[.lint0] = 0x700
        self[.lint1] = 0x400
    }

    /// Back to the power-up state but for the identity, the mode and the signals.
    mutating func clearRegisters() {
        var new = LocalAPIC(id: identity.id, isBootProcessor: identity.isBootProcessor)
        new.base = base
        new.signals = signals
        new.timer.tscOffset = timer.tscOffset
        new.timer.scale = timer.scale
        self = new
    }

    package subscript(entry: Entry) -> UInt32 {
        get { entries[entry.rawValue] }
        set { entries[entry.rawValue] = newValue }
    }

    /// The global enable of IA32_APIC_BASE.
    package var isEnabled: Bool { base & 0x800 != 0 }
    package var isX2: Bool { base & 0xc00 == 0xc00 }
    /// The enable of the spurious-vector register.
    package var isSoftwareEnabled: Bool { isEnabled && spurious & 0x100 != 0 }

    // MARK: Priorities. Intel SDM 3, 11.8.3.

    /// PPR: what an interrupt's class must exceed.
    package var processorPriority: UInt8 {
        let service = vectors.inService.highest ?? 0
        return taskPriority >> 4 >= service >> 4 ? taskPriority : service & 0xf0
    }

    /// APR of processors that arbitrated on a bus.
    package var arbitrationPriority: UInt8 {
        let request = vectors.requested.highest ?? 0
        let service = vectors.inService.highest ?? 0
        let task = taskPriority >> 4
        if task >= request >> 4, task > service >> 4 { return taskPriority }
        return max(taskPriority & 0xf0, request & 0xf0, service & 0xf0)
    }

    /// The requested vector that may interrupt now.
    @inline(__always)
    package var deliverable: UInt8? {
        guard isEnabled, let vector = vectors.requested.highest,
            vector >> 4 > processorPriority >> 4
        else { return nil }
        return vector
    }

    /// Puts the deliverable vector into service.
    package mutating func acknowledge() -> UInt8? {
        guard let vector = deliverable else { return nil }
        vectors.requested.remove(vector)
        vectors.inService.insert(vector)
        return vector
    }

    /// Ends the interrupt of highest priority. Answers its vector if it was level-triggered, for
    /// the I/O APIC.
    package mutating func endOfInterrupt() -> UInt8? {
        guard let vector = vectors.inService.highest else { return nil }
        vectors.inService.remove(vector)
        return vectors.level.contains(vector) ? vector : nil
    }

    /// True if an interrupt of the 8259s comes to this processor.
    @inline(__always)
    package var takesExternal: Bool {
        guard isEnabled else { return identity.isBootProcessor }
        return signals.external || self[.lint0] & (Self.masked | 0x700) == 0x700
    }

    // MARK: Messages

    /// True if `message` names this APIC. Intel SDM 3, 11.6.2 and 11.12.10.
    package func isNamed(by message: InterruptMessage) -> Bool {
        guard isEnabled else { return false }
        if message.destination == InterruptMessage.broadcast { return true }
        guard message.isLogical else { return message.destination == identity.id }
        if isX2 {
            let own = logicalX2
            return message.destination >> 16 == own >> 16 && message.destination & own & 0xffff != 0
        }
        guard message.destination <= 0xff else { return false }
        let own = identity.logical >> 24
        if identity.format >> 28 == 0xf { return message.destination & own != 0 }
        let cluster = message.destination >> 4
        return (cluster == 0xf || cluster == own >> 4) && message.destination & own & 0xf != 0
    }

    /// LDR of x2APIC mode, made from the ID.
    package var logicalX2: UInt32 {
        (identity.id >> 4) << 16 | 1 << (identity.id & 0xf)
    }

    /// Takes a message that names this APIC.
    package mutating func accept(_ message: InterruptMessage) -> Acceptance {
        guard isEnabled else { return .refused }
        switch message.mode {
        case .fixed, .lowestPriority:
            guard isSoftwareEnabled else { return .refused }
            return request(message.vector, isLevel: message.isLevel)
        case .systemManagement, .remoteRead:
            return .refused
        case .nonMaskable:
            signals.nonMaskable = true
        case .initialize:
            guard message.isAsserted else { return .refused }
            signals.initialize = true
            signals.startup = nil
        case .startup:
            guard signals.isWaiting || signals.initialize else { return .refused }
            signals.startup = message.vector
        case .external:
            signals.external = true
        }
        return .news
    }

    /// Requests a vector; those below 16 are an error.
    mutating func request(_ vector: UInt8, isLevel: Bool) -> Acceptance {
        guard vector >= 16 else {
            fail(.receiveIllegalVector)
            return .news
        }
        let known = vectors.requested.contains(vector)
        vectors.requested.insert(vector)
        if isLevel { vectors.level.insert(vector) } else { vectors.level.remove(vector) }
        return known ? .merged : .news
    }

    /// Raises the interrupt of a table entry. Answers whether the processor has something to see.
    @discardableResult
    package mutating func raise(_ entry: Entry) -> Bool {
        let value = self[entry]
        guard isEnabled, value & Self.masked == 0 else { return false }
        let mode =
            entry == .timer || entry == .error
            ? .fixed : InterruptMessage.mode(UInt8(truncatingIfNeeded: value >> 8))
        switch mode {
        case .fixed: return request(UInt8(truncatingIfNeeded: value), isLevel: false) == .news
        case .nonMaskable: signals.nonMaskable = true
        case .initialize: signals.initialize = true
        case .external: return entry == .lint0
        case .lowestPriority, .systemManagement, .remoteRead, .startup: return false
        }
        return true
    }

    /// Records an error; the first one since the guest wrote ESR also interrupts.
    package mutating func fail(_ failure: Failure) {
        let isFirst = errors.pending == 0
        errors.pending |= failure.rawValue
        // An error entry that itself has a bad vector must not go round in circles.
        if isFirst { raise(.error) }
    }

    /// Fires the timer if it is due. Answers whether that made an interrupt.
    @inline(__always)
    package mutating func advance(now: UInt64) -> Bool {
        timer.fire(now: now) && raise(.timer)
    }

    /// When ``advance(now:)`` has something to do that the processor would see; `.max` for never.
    package func nextDeadline(now: UInt64) -> UInt64 {
        isEnabled && self[.timer] & Self.masked == 0 ? timer.nextExpiry(now: now) : .max
    }

    /// The processor has taken INIT. Registers are cleared; the mode stays.
    package mutating func initialize() {
        let startup = signals.startup
        signals = Signals()
        signals.startup = startup
        signals.isWaiting = !identity.isBootProcessor
        clearRegisters()
    }
}

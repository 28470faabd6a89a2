// SPDX-License-Identifier: Apache-2.0

/// Everything the interrupt controllers and timers remember: a plain value, to be saved.
///
/// It also holds the wires between them. What a change means for the processors gathers in
/// ``news``, which is empty between calls of the chipset.
package struct ChipsetState: Hashable, Sendable {
    /// Of this layout.
    package static var version: UInt16 { 1 }

    package var version = Self.version
    /// One a processor, by index, which is also its APIC ID.
    package var localAPICs: [LocalAPIC]
    package var ioAPIC = IOAPIC()
    package var pic = PIC()
    package var pit = PIT()
    /// Whose turn it is among equals of lowest priority.
    package var turn = 0
    /// The 8259s' wire as last seen.
    package var externalWire = false
    /// Bit n: processor n has something new to look at.
    var news: UInt64 = 0

    /// - Parameter cpuCount: 1 to 64.
    package init(cpuCount: Int) {
        localAPICs = (0..<cpuCount).map {
            LocalAPIC(id: UInt32(truncatingIfNeeded: $0), isBootProcessor: $0 == 0)
        }
    }

    private var everyone: UInt64 {
        localAPICs.count >= 64 ? .max : 1 << UInt64(localAPICs.count) &- 1
    }

    mutating func note(_ cpu: Int) { news |= 1 << UInt64(truncatingIfNeeded: cpu) }

    // MARK: Messages

    /// Gives `message` to every APIC of `candidates` that it is for. Answers whether one took it.
    @discardableResult
    mutating func deliver(_ message: InterruptMessage, among candidates: UInt64) -> Bool {
        let targets =
            message.mode == .lowestPriority
            ? lowest(among: candidates, for: message) : candidates
        var isAccepted = false
        for cpu in localAPICs.indices where targets >> UInt64(cpu) & 1 != 0 {
            switch localAPICs[cpu].accept(message) {
            case .refused: break
            case .merged: isAccepted = true
            case .news:
                isAccepted = true
                note(cpu)
            }
        }
        return isAccepted
    }

    private func named(by message: InterruptMessage) -> UInt64 {
        var set: UInt64 = 0
        for cpu in localAPICs.indices where localAPICs[cpu].isNamed(by: message) {
            set |= 1 << UInt64(cpu)
        }
        return set
    }

    /// The one of `candidates` with the lowest processor priority; equals take turns.
    private mutating func lowest(among candidates: UInt64, for message: InterruptMessage) -> UInt64
    {
        var best: (cpu: Int, priority: UInt8)?
        for step in localAPICs.indices {
            let cpu = (turn &+ step) % localAPICs.count
            guard candidates >> UInt64(cpu) & 1 != 0, localAPICs[cpu].isSoftwareEnabled
            else { continue }
            let priority = localAPICs[cpu].processorPriority >> 4
            if best.map({ priority < $0.priority }) ?? true { best = (cpu, priority) }
        }
        guard let best else { return 0 }
        turn = (best.cpu + 1) % localAPICs.count
        return 1 << UInt64(best.cpu)
    }

    /// Delivers a message of a device or of the I/O APIC.
    @discardableResult
    mutating func deliver(_ message: InterruptMessage) -> Bool {
        deliver(message, among: named(by: message))
    }

    /// Does what an interrupt command of `cpu` says. Intel SDM 3, 11.6.1.
    mutating func send(_ command: UInt64, from cpu: Int) {
        let message = InterruptMessage(command: command, isX2: localAPICs[cpu].isX2)
        if message.mode == .fixed || message.mode == .lowestPriority, message.vector < 16 {
            localAPICs[cpu].fail(.sendIllegalVector)
            return
        }
        // A reserved mode of commands: only I/O APICs and devices send it. It is no error that ESR knows,
        // and KVM does nothing either.
        guard message.mode != .external else { return }
        let own: UInt64 = 1 << UInt64(cpu)
        switch command >> 18 & 3 {
        case 0: deliver(message)
        case 1: deliver(message, among: own)
        case 2: deliver(message, among: everyone)
        default: deliver(message, among: everyone & ~own)
        }
    }

    /// What a register write of `cpu` asks for. False if the write was refused.
    mutating func perform(_ effect: LocalAPIC.Effect, from cpu: Int) -> Bool {
        switch effect {
        case .none: return true
        case .refused: return false
        case .endOfInterrupt(let vector): serviceLevels(ioAPIC.endOfInterrupt(vector))
        case .send(let command): send(command, from: cpu)
        case .enabled: serviceLevels(.max)
        }
        return true
    }

    // MARK: Lines

    /// Sends what asserted levels on `pins` owe.
    mutating func serviceLevels(_ pins: UInt32) {
        let asserted = pins & ioAPIC.lines
        guard asserted != 0 else { return }
        for pin in 0..<IOAPIC.pinCount where asserted >> UInt32(pin) & 1 != 0 {
            if let message = ioAPIC.dueLevel(pin: pin), deliver(message) { ioAPIC.sent(pin: pin) }
        }
    }

    private mutating func setPin(_ pin: Int, high: Bool) {
        if let message = ioAPIC.set(pin: pin, high: high), deliver(message) {
            ioAPIC.sent(pin: pin)
        }
    }

    /// Drives a global system interrupt, 0 to 23. ISA's IRQ 0 is on pin 2 of the I/O APIC, where
    /// the tables tell the guest to look; pin 0 has the 8259s' wire, so GSI 2 has no source.
    mutating func setLine(_ gsi: UInt32, high: Bool) {
        guard gsi < UInt32(IOAPIC.pinCount), gsi != 2 else { return }
        let line = Int(gsi)
        if line < 16 {
            pic.set(line: line, high: high)
            followPIC()
        }
        setPin(line == 0 ? 2 : line, high: high)
    }

    /// Carries the 8259s' wire to LINT0 of every processor and to pin 0 of the I/O APIC.
    mutating func followPIC() {
        let wire = pic.output
        guard wire != externalWire else { return }
        externalWire = wire
        setPin(0, high: wire)
        guard wire else { return }
        for cpu in localAPICs.indices {
            if !localAPICs[cpu].isEnabled {
                if localAPICs[cpu].takesExternal { note(cpu) }
            } else if localAPICs[cpu].raise(.lint0) {
                note(cpu)
            }
        }
    }

    // MARK: Time

    /// Fires what is due at `now` and concerns `cpu`.
    @inline(__always)
    mutating func advance(cpu: Int, now: UInt64) {
        advancePIT(now: now)
        if localAPICs[cpu].advance(now: now) { note(cpu) }
    }

    @inline(__always)
    mutating func advancePIT(now: UInt64) {
        if pit.advance(now: now) {
            setLine(0, high: false)
            setLine(0, high: true)
        }
    }

    /// The interval timer's next interrupt, if it goes anywhere; the boot processor waits for it.
    var pitDeadline: UInt64 {
        pic.isMasked(line: 0) && ioAPIC.isMasked(pin: 2) ? .max : pit.nextDeadline
    }

    /// What `cpu` must see at `now`.
    @inline(__always)
    func pending(cpu: Int, now: UInt64) -> Pending {
        var answer = localAPICs[cpu].pending(now: now, wire: externalWire)
        if cpu == 0 { answer.nextDeadline = min(answer.nextDeadline, pitDeadline) }
        return answer
    }

    /// True if every number in it is one that this code could have made.
    func isSound(cpuCount: Int) -> Bool {
        version == Self.version && localAPICs.count == cpuCount && turn >= 0 && turn < cpuCount
            && ioAPIC.entries.count == IOAPIC.pinCount && pic.primary.lowest < 8
            && pic.secondary.lowest < 8
            && localAPICs.enumerated().allSatisfy { index, apic in
                apic.identity.id == UInt32(index)
                    && apic.identity.isBootProcessor == (index == 0)
                    && apic.base & ~0xd00 == LocalAPIC.pageAddress
                    && apic.base & 0xc00 != 0x400
            }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// Architectural state out and in, as every engine gives and takes it.
extension SoftVCPU {
    package func save() -> CPUState {
        var state = CPUState()
        let now = machine.instant(self)
        state.general = cpu.generalRegisters
        state.system = cpu.systemRegisters
        cpu.storeFloatingPoint(into: &state.floatingPoint.image)
        state.floatingPoint.xcr0 = cpu.state.xcr0
        state.debug = [0, 1, 2, 3, 6, 7].map { cpu.state.debug[$0] }
        for number in StoredMSR.all { state.msrs[number] = cpu.storedMSR(number) }
        machine.chipset.replace(waking: false) { chipset in
            chipset.advance(cpu: index, now: now)
            let apic = chipset.localAPICs[index]
            state.system.cr8 = UInt64(apic.taskPriority >> 4)
            state.system.apicBase = apic.base
            state.localAPIC = apic.page(now: now)
            state.msrs[StoredMSR.deadline] = apic.timer.tscDeadline
            state.activity = activity(apic)
            state.events = events(apic)
        }
        let clock = machine.clock.save()
        state.msrs[StoredMSR.wallClock] = clock.wallClock
        state.msrs[StoredMSR.systemTime] = clock.systemTimes[index]
        state.timeStamp = TimeStamp(
            value: machine.timeStampScale.ticks(in: now) &+ cpu.state.tscOffset,
            kilohertz: machine.timeStampScale.kilohertz)
        return state
    }

    /// A processor that waits is told apart from one that has got its startup message.
    private func activity(_ apic: LocalAPIC) -> ActivityState {
        if activity == .waitingForStartup {
            return apic.signals.startup == nil ? .initReceived : .startupReceived
        }
        return activity
    }

    private func events(_ apic: LocalAPIC) -> PendingEvents {
        var events = PendingEvents()
        let pending = cpu.state.pending
        if pending.vector != 0xff {
            events.exception = PendingEvents.Exception(
                vector: pending.vector, errorCode: pending.hasErrorCode ? pending.errorCode : nil)
        }
        events.interrupt = heldInterrupt.map { PendingEvents.Interrupt(vector: $0) }
        events.shadow = cpu.state.inhibitInterrupts ? .sti : []
        events.nonMaskable.isPending = apic.signals.nonMaskable
        events.nonMaskable.isMasked = cpu.state.system.nmiBlocked
        events.systemManagement.hasLatchedINIT = apic.signals.initialize
        events.startupVector = apic.signals.startup ?? 0
        events.isTripleFault = isShutDown
        return events
    }

    package func restore(_ state: CPUState) throws(EngineError) {
        if let reason = StateCheck(state).refusal { throw .state(reason) }
        let now = machine.instant(self)
        try restoreChipset(state, now)
        cpu.generalRegisters = state.general
        cpu.systemRegisters = state.system
        cpu.state.rip = state.general.rip &+ cpu.get64(Register.base(of: 1))
        cpu.state.xcr0 = state.floatingPoint.xcr0
        cpu.loadFloatingPoint(StateCheck(state).image)
        for (place, number) in [0, 1, 2, 3, 6, 7].enumerated() {
            cpu.state.debug[number] = state.debug[place]
        }
        cpu.updateMode()
        cpu.flushTLB(global: true)
        for (number, value) in state.msrs.sorted(by: { $0.key < $1.key }) {
            try restore(number, value)
        }
        restore(state.events)
        switch state.activity {
        case .runnable: activity = .runnable
        case .halted: activity = .halted
        case .waitingForStartup, .initReceived, .startupReceived: activity = .waitingForStartup
        }
    }

    private func restore(_ events: PendingEvents) {
        cpu.state.pending = PendingException()
        if let exception = events.exception, exception.vector != 3, exception.vector != 4 {
            // INT3 and INTO are executed anew instead.
            cpu.state.pending = PendingException(
                vector: exception.vector, hasErrorCode: exception.errorCode != nil,
                errorCode: exception.errorCode ?? 0)
            if let payload = exception.payload {
                if exception.vector == Exception.page.rawValue { cpu.state.cr2 = payload }
                if exception.vector == Exception.debug.rawValue { cpu.state.debug[6] |= payload }
            }
        }
        heldInterrupt = events.interrupt.flatMap { $0.isSoftware ? nil : $0.vector }
        cpu.state.inhibitInterrupts = !events.shadow.isEmpty
        // One whose delivery had begun is delivered anew.
        cpu.state.system.nmiBlocked =
            events.nonMaskable.isMasked && !events.nonMaskable.isInjected
        isShutDown = events.isTripleFault
    }

    private func restoreChipset(_ state: CPUState, _ now: UInt64) throws(EngineError) {
        if let stamp = state.timeStamp {
            let adjust = state.msrs[MSR.tscAdjust] ?? cpu.state.msrs.tscAdjust
            let offset = stamp.value &- machine.timeStampScale.ticks(in: now) &- adjust
            cpu.state.tscOffset = machine.commonOffset(offset) &+ adjust
        }
        let offset = cpu.state.tscOffset
        var isTaken = true
        let number = index
        machine.chipset.replace(waking: true) { chipset in
            var apic = chipset.localAPICs[number]
            apic.timer.tscOffset = offset
            if let page = state.localAPIC {
                isTaken = apic.take(page, base: state.system.apicBase, now: now)
            } else {
                isTaken = apic.takeBase(state.system.apicBase)
            }
            apic.taskPriority = UInt8(truncatingIfNeeded: state.system.cr8 << 4)
            if let deadline = state.msrs[StoredMSR.deadline] { apic.timer.setDeadline(deadline) }
            let events = state.events
            apic.signals.nonMaskable =
                events.nonMaskable.isPending || events.nonMaskable.isInjected
            apic.signals.initialize = events.systemManagement.hasLatchedINIT
            let waits = state.activity != .runnable && state.activity != .halted
            apic.signals.isWaiting = waits
            apic.signals.startup =
                state.activity == .startupReceived ? events.startupVector : nil
            if isTaken { chipset.localAPICs[number] = apic }
        }
        guard isTaken else { throw .state("the local APIC of processor \(index)") }
    }

    private func restore(_ number: UInt32, _ value: UInt64) throws(EngineError) {
        switch number {
        case StoredMSR.deadline: return
        case StoredMSR.wallClock, StoredMSR.systemTime:
            machine.clock.setMSR(cpu: index, number: number, value: value)
        default:
            guard StoredMSR.all.contains(number) else {
                if StoredMSR.changesGuest(number, value) {
                    throw .state(
                        "model-specific register 0x\(String(number, radix: 16)) of processor "
                            + "\(index) is in use, which the soft engine does not have")
                }
                return
            }
            guard cpu.setStoredMSR(number, value) else {
                throw .state(
                    "model-specific register 0x\(String(number, radix: 16)) of processor "
                        + "\(index) is 0x\(String(value, radix: 16))")
            }
        }
    }
}

/// Which model-specific registers a state holds.
enum StoredMSR {
    static var deadline: UInt32 { 0x6e0 }
    static var wallClock: UInt32 { 0x4b56_4d00 }
    static var systemTime: UInt32 { 0x4b56_4d01 }

    /// Those that are the processor's own storage.
    static let all: [UInt32] =
        [
            MSR.tscAdjust, MSR.sysenterCS, MSR.sysenterESP, MSR.sysenterEIP,
            MSR.machineCheckStatus, MSR.miscEnable, 0x250, 0x258, 0x259, MSR.pat,
            MSR.mtrrDefault, MSR.star, MSR.lstar, MSR.cstar, MSR.syscallMask,
            MSR.kernelGSBase, MSR.tscAux, MSR.systemConfiguration, MSR.hwcr, MSR.topOfMemory,
            MSR.topOfMemory2, MSR.decodeConfiguration,
        ] + Array(0x200...0x20f) + Array(0x268...0x26f)

    /// True if a register that this engine lacks steers what the guest sees: asynchronous page
    /// faults, stolen time, EOI without exit, migration control, supervisor state components.
    static func changesGuest(_ number: UInt32, _ value: UInt64) -> Bool {
        switch number {
        case 0x4b56_4d02...0x4b56_4d04, 0x4b56_4d08: value & 1 != 0
        case 0xda0: value != 0
        default: false
        }
    }
}

extension Processor {
    /// Sets a register of ``StoredMSR/all``, as read back from a state. False: not a value for it.
    func setStoredMSR(_ number: UInt32, _ value: UInt64) -> Bool {
        switch number {
        case MSR.tscAdjust: state.msrs.tscAdjust = value
        case MSR.sysenterCS...MSR.sysenterEIP, MSR.star...MSR.syscallMask, MSR.kernelGSBase,
            MSR.tscAux:
            return setTransferMSR(number, value)
        case MSR.pat, MSR.mtrrDefault, 0x200...0x20f, 0x250, 0x258, 0x259, 0x268...0x26f:
            return setMemoryTypeMSR(number, value)
        default: return setPlatformMSR(number, value)
        }
        return true
    }
}

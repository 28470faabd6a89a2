// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// The shared controllers and timers to and from the state that every engine understands.
extension ChipsetState {
    /// Writes all but the local APICs into `machine`, as of guest time `now`.
    package mutating func save(into machine: inout MachineState, now: UInt64) {
        // What is due is fired first, so that what lies ahead follows from the counts alone.
        advancePIT(now: now)
        machine.ioAPIC = ioAPIC.transferred
        machine.primaryPIC = pic.primary.transferred
        machine.secondaryPIC = pic.secondary.transferred
        machine.pit = pit.transferred(now: now)
    }

    /// Takes all but the local APICs over. Nil, or what part of it makes no sense.
    package mutating func take(_ machine: MachineState, now: UInt64) -> String? {
        guard machine.ioAPIC.entries.count == IOAPIC.pinCount,
            machine.ioAPIC.base == IOAPIC.pageAddress
        else { return "the I/O APIC is not one of 24 pins at 0xfec00000" }
        guard machine.pit.channels.count == 3 else { return "the interval timer has no 3 counters" }
        ioAPIC.take(machine.ioAPIC)
        pic.primary.take(machine.primaryPIC)
        pic.secondary.take(machine.secondaryPIC)
        pit.take(machine.pit, now: now)
        externalWire = pic.output
        return nil
    }
}

extension IOAPIC {
    var transferred: IOAPICState {
        var state = IOAPICState()
        state.base = Self.pageAddress
        state.id = UInt8(truncatingIfNeeded: id >> 24) & 15
        state.selector = index
        state.lines = lines
        state.entries = entries
        return state
    }

    mutating func take(_ state: IOAPICState) {
        id = UInt32(state.id & 15) << 24
        index = state.selector
        lines = state.lines & 0xff_ffff
        // Vector, modes, remote IRR, mask, destination; the delivery status is never seen here.
        entries = state.entries.map { $0 & 0xff00_0000_0001_efff }
    }
}

extension PIC8259 {
    var transferred: PICState {
        var state = PICState()
        state.requested = requested
        state.inService = inService
        state.mask = mask
        state.lines = lines
        state.levels = modes.contains(.levelTriggered) ? 0xff : levels
        state.vectorBase = vectorBase
        state.highest = (lowest &+ 1) & 7
        state.expectedWord = initialization.next
        state.needsFourthWord = initialization.needsFourth
        state.showsInService = modes.contains(.showsInService)
        state.isPolled = modes.contains(.poll)
        state.hasSpecialMask = modes.contains(.specialMask)
        state.endsAutomatically = modes.contains(.automaticEnd)
        state.rotatesOnAutomaticEnd = modes.contains(.rotateOnAutomaticEnd)
        state.isSpeciallyNested = modes.contains(.specialFullyNested)
        return state
    }

    mutating func take(_ state: PICState) {
        requested = state.requested
        inService = state.inService
        mask = state.mask
        lines = state.lines
        levels = state.levels
        vectorBase = state.vectorBase & 0xf8
        lowest = (state.highest &- 1) & 7
        initialization = Initialization(
            next: state.expectedWord < 5 ? state.expectedWord : 0, isSingle: false,
            needsFourth: state.needsFourthWord)
        let switches: [(Bool, Modes)] = [
            (state.showsInService, .showsInService), (state.isPolled, .poll),
            (state.hasSpecialMask, .specialMask), (state.endsAutomatically, .automaticEnd),
            (state.rotatesOnAutomaticEnd, .rotateOnAutomaticEnd),
            (state.isSpeciallyNested, .specialFullyNested),
        ]
        modes = switches.reduce(into: []) { if $1.0 { $0.insert($1.1) } }
    }
}

extension PIT {
    func transferred(now: UInt64) -> PITState {
        var state = PITState()
        state.channels = [first, second, third].map { $0.transferred(now: now) }
        state.speakerIsOn = control & 2 != 0
        return state
    }

    mutating func take(_ state: PITState, now: UInt64) {
        first.take(state.channels[0], now: now)
        second.take(state.channels[1], now: now)
        third.take(state.channels[2], now: now)
        first.gate = true
        second.gate = true
        control = (third.gate ? 1 : 0) | (state.speakerIsOn ? 2 : 0)
    }
}

extension PITChannel {
    func transferred(now: UInt64) -> PITChannelState {
        var state = PITChannelState()
        state.count = !isLoaded ? 0 : reload == 0 ? 65_536 : UInt32(reload)
        state.access = control >> 4 & 3
        state.mode = mode
        state.isBCD = control & 1 != 0
        state.gate = gate
        if let latchedCount {
            state.latchedCount = latchedCount
            state.latchedStep = state.access == 3 ? .firstOfTwo : state.access == 2 ? .high : .low
            if state.access == 3 && readsHigh { state.latchedStep = .secondOfTwo }
        }
        state.latchedStatus = latchedStatus
        state.readStep = step(isSecond: readsHigh)
        state.writeStep = step(isSecond: lowByte != nil)
        state.lowByte = lowByte ?? 0
        if let frozen {
            state.elapsed = PIT.nanoseconds(at: frozen)
        } else if let start {
            let began = PIT.nanoseconds(at: start)
            state.elapsed = now > began ? now &- began : 0
        }
        return state
    }

    private func step(isSecond: Bool) -> PITChannelState.Step {
        switch control >> 4 & 3 {
        case 1: .low
        case 2: .high
        case 3: isSecond ? .secondOfTwo : .firstOfTwo
        default: .none
        }
    }

    mutating func take(_ state: PITChannelState, now: UInt64) {
        self = PITChannel(gate: state.gate)
        let mode = min(state.mode, 5)
        control = (state.access & 3) << 4 | mode << 1 | (state.isBCD ? 1 : 0)
        isLoaded = state.count != 0
        reload = UInt16(truncatingIfNeeded: state.count)
        lowByte = state.writeStep == .secondOfTwo ? state.lowByte : nil
        readsHigh = state.readStep == .secondOfTwo || state.latchedStep == .secondOfTwo
        latchedCount = state.latchedStep == .none ? nil : state.latchedCount
        latchedStatus = state.latchedStatus
        guard isLoaded, mode != 1 && mode != 5 || state.elapsed != 0 else { return }
        let stops = mode == 0 || mode == 4
        if !gate && stops {
            frozen = PIT.ticks(at: state.elapsed)
            start = 0
            return
        }
        guard gate || mode == 1 || mode == 5 else { return }
        // The tick in which counting began; a counter that has counted for longer than the machine
        // has lived began at time 0, a whole number of periods later.
        let began = now > state.elapsed ? now &- state.elapsed : 0
        begin(at: PIT.ticks(at: began), now: PIT.ticks(at: now))
    }
}

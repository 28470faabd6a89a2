// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor

/// Interrupt controllers, timer and clock as the kernel lays them out, and as every engine knows
/// them.
extension KVMVirtualMachine {
    func saveChips(_ state: inout MachineState) throws(KVMError) {
        state.primaryPIC = try descriptor.irqChip(CKVM_IRQCHIP_PIC_MASTER).pic
        state.secondaryPIC = try descriptor.irqChip(CKVM_IRQCHIP_PIC_SLAVE).pic
        state.ioAPIC = try descriptor.irqChip(CKVM_IRQCHIP_IOAPIC).ioAPIC
    }

    func restoreChips(_ state: MachineState) throws(KVMError) {
        guard state.ioAPIC.entries.count == IOAPICState().entries.count else {
            throw .engine(.state("an I/O APIC with \(state.ioAPIC.entries.count) pins"))
        }
        guard state.pit.channels.count == 3 else {
            throw .engine(.state("an interval timer with \(state.pit.channels.count) counters"))
        }
        var chip = IRQChip(CKVM_IRQCHIP_PIC_MASTER)
        chip.set(kvm_pic_state(state.primaryPIC, levelMask: 0xf8))
        try descriptor.setIRQChip(chip)
        chip = IRQChip(CKVM_IRQCHIP_PIC_SLAVE)
        chip.set(kvm_pic_state(state.secondaryPIC, levelMask: 0xde))
        try descriptor.setIRQChip(chip)
        chip = IRQChip(CKVM_IRQCHIP_IOAPIC)
        chip.set(state.ioAPIC)
        try descriptor.setIRQChip(chip)
    }
}

/// `struct kvm_irqchip`: the number of an interrupt controller, padding, and 512 bytes that are
/// its registers.
struct IRQChip {
    private static var head: Int { 2 }
    var words = [UInt32](repeating: 0, count: head + 128)

    init(_ number: UInt32) { words[0] = number }

    var pic: PICState {
        unsafe words.withUnsafeBytes { raw in
            PICState(
                unsafe raw.loadUnaligned(fromByteOffset: Self.head * 4, as: kvm_pic_state.self))
        }
    }

    mutating func set(_ chip: kvm_pic_state) {
        unsafe words.withUnsafeMutableBytes { raw in
            unsafe raw.storeBytes(of: chip, toByteOffset: Self.head * 4, as: kvm_pic_state.self)
        }
    }

    /// Base, selector, identity, lines, padding, and the entries.
    var ioAPIC: IOAPICState {
        var state = IOAPICState()
        state.base = UInt64(words[2]) | UInt64(words[3]) << 32
        state.selector = UInt8(truncatingIfNeeded: words[4])
        state.id = UInt8(truncatingIfNeeded: words[5] & 15)
        state.lines = words[6]
        for pin in state.entries.indices {
            let place = 8 + pin * 2
            state.entries[pin] = UInt64(words[place]) | UInt64(words[place + 1]) << 32
        }
        return state
    }

    mutating func set(_ state: IOAPICState) {
        words[2] = UInt32(truncatingIfNeeded: state.base)
        words[3] = UInt32(truncatingIfNeeded: state.base >> 32)
        words[4] = UInt32(state.selector)
        words[5] = UInt32(state.id & 15)
        words[6] = state.lines
        for (pin, entry) in state.entries.prefix(24).enumerated() {
            words[8 + pin * 2] = UInt32(truncatingIfNeeded: entry)
            words[9 + pin * 2] = UInt32(truncatingIfNeeded: entry >> 32)
        }
    }
}

extension PICState {
    init(_ chip: kvm_pic_state) {
        self.init()
        requested = chip.irr
        inService = chip.isr
        mask = chip.imr
        lines = chip.last_irr
        levels = chip.elcr
        vectorBase = chip.irq_base
        highest = chip.priority_add & 7
        // The kernel counts the command words that have come since the first.
        expectedWord = chip.init_state == 0 ? 0 : chip.init_state &+ 1
        needsFourthWord = chip.init4 != 0
        showsInService = chip.read_reg_select != 0
        isPolled = chip.poll != 0
        hasSpecialMask = chip.special_mask != 0
        endsAutomatically = chip.auto_eoi != 0
        rotatesOnAutomaticEnd = chip.rotate_on_auto_eoi != 0
        isSpeciallyNested = chip.special_fully_nested_mode != 0
    }
}

extension kvm_pic_state {
    /// - Parameter levelMask: Inputs that can be made levels.
    init(_ state: PICState, levelMask: UInt8) {
        self.init()
        irr = state.requested
        isr = state.inService
        imr = state.mask
        last_irr = state.lines
        elcr = state.levels & levelMask
        elcr_mask = levelMask
        irq_base = state.vectorBase
        priority_add = state.highest & 7
        init_state = state.expectedWord == 0 ? 0 : min(state.expectedWord &- 1, 3)
        init4 = state.needsFourthWord ? 1 : 0
        read_reg_select = state.showsInService ? 1 : 0
        poll = state.isPolled ? 1 : 0
        special_mask = state.hasSpecialMask ? 1 : 0
        auto_eoi = state.endsAutomatically ? 1 : 0
        rotate_on_auto_eoi = state.rotatesOnAutomaticEnd ? 1 : 0
        special_fully_nested_mode = state.isSpeciallyNested ? 1 : 0
    }
}

extension PITState {
    /// - Parameter now: The host's monotonic time in nanoseconds.
    init(_ timer: kvm_pit_state2, now: UInt64) {
        self.init()
        let all = timer.channels
        channels = [all.0, all.1, all.2].map { PITChannelState($0, now: now) }
        speakerIsOn = timer.flags & CKVM_PIT_FLAGS_SPEAKER_DATA_ON != 0
    }
}

extension kvm_pit_state2 {
    /// - Parameter state: Has three channels.
    init(_ state: PITState, now: UInt64) {
        self.init()
        channels = (
            kvm_pit_channel_state(state.channels[0], now: now),
            kvm_pit_channel_state(state.channels[1], now: now),
            kvm_pit_channel_state(state.channels[2], now: now)
        )
        flags = state.speakerIsOn ? CKVM_PIT_FLAGS_SPEAKER_DATA_ON : 0
    }
}

extension PITChannelState {
    /// The kernel's mode of a counter that has never been programmed.
    fileprivate static var noMode: UInt8 { 0xff }

    init(_ channel: kvm_pit_channel_state, now: UInt64) {
        self.init()
        if channel.mode != Self.noMode {
            count = channel.count
            mode = channel.mode
        }
        latchedCount = channel.latched_count
        latchedStep = Step(rawValue: channel.count_latched) ?? .none
        latchedStatus = channel.status_latched != 0 ? channel.status : nil
        readStep = Step(rawValue: channel.read_state) ?? .none
        writeStep = Step(rawValue: channel.write_state) ?? .none
        lowByte = channel.write_latch
        access = channel.rw_mode & 3
        isBCD = channel.bcd != 0
        gate = channel.gate != 0
        let began = UInt64(clamping: channel.count_load_time)
        elapsed = now > began ? now &- began : 0
    }
}

extension kvm_pit_channel_state {
    init(_ state: PITChannelState, now: UInt64) {
        self.init()
        count = state.count
        mode = state.count == 0 ? PITChannelState.noMode : state.mode
        latched_count = state.latchedCount
        count_latched = state.latchedStep.rawValue
        status_latched = state.latchedStatus == nil ? 0 : 1
        status = state.latchedStatus ?? 0
        read_state = state.readStep.rawValue
        write_state = state.writeStep.rawValue
        write_latch = state.lowByte
        rw_mode = state.access & 3
        bcd = state.isBCD ? 1 : 0
        gate = state.gate ? 1 : 0
        count_load_time = Int64(clamping: now) &- Int64(clamping: state.elapsed)
    }
}

extension ClockState {
    init(_ clock: kvm_clock_data) {
        self.init()
        nanoseconds = clock.clock
        realtime = clock.flags & CKVM_CLOCK_REALTIME != 0 ? clock.realtime : nil
    }
}

extension kvm_clock_data {
    /// The guest's time goes on from where it stood.
    init(_ state: ClockState) {
        self.init()
        clock = state.nanoseconds
    }
}

// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux

/// The whole state of a processor, out of the kernel and into it.
///
/// The order matters. On the way out the activity comes first, as asking for it makes the kernel
/// take pending INIT and start-up messages. On the way in the registers that say what others mean
/// come before these, and the deadline of the local APIC's timer after timer and counter.
extension KVMVCPU {
    package func save() throws(EngineError) -> CPUState {
        do throws(KVMError) {
            var state = try saveForFallback()
            state.msrs = try savedModelSpecific()
            var page = LocalAPICState(words: try descriptor.localAPIC())
            page.keepDueTimer()
            state.localAPIC = page
            if let value = try descriptor.modelSpecific([MSR.timeStamp]).first {
                state.timeStamp = TimeStamp(value: value, kilohertz: rate.kilohertz)
            }
            return state
        } catch {
            throw error.asEngineError
        }
    }

    package func restore(_ state: CPUState) throws(EngineError) {
        do throws(KVMError) {
            try rate.follow(state.timeStamp?.kilohertz ?? 0) { kilohertz throws(KVMError) in
                try descriptor.setTSCRate(kilohertz)
            }
            try descriptor.setActivity(UInt32(state.activity.rawValue))
            try setFloatingPoint(state.floatingPoint)
            try descriptor.setSystemRegisters(kvm_sregs(state.system, state.events.exception))
            try descriptor.setRegisters(kvm_regs(state.general))
            try descriptor.setDebugRegisters(
                kvm_debugregs(state.debug, state.events.exception))
            if let stamp = state.timeStamp {
                try descriptor.writeModelSpecific([(MSR.timeStamp, stamp.value)])
            }
            try restoreModelSpecific(state.msrs.filter { $0.key != MSR.timerDeadline })
            try followSystemCallEntry(state.msrs[SystemCallRepair.entryRegister])
            if let page = state.localAPIC { try descriptor.setLocalAPIC(page.words) }
            try restoreModelSpecific(state.msrs.filter { $0.key == MSR.timerDeadline })
            try descriptor.setEvents(kvm_vcpu_events(state.events))
            // A guest without a paravirtual clock is not told, and the kernel says so.
            if state.timeStamp != nil { try? descriptor.tellClockStopped() }
        } catch {
            throw error.asEngineError
        }
    }

    private enum MSR {
        static var timeStamp: UInt32 { 0x10 }
        static var timerDeadline: UInt32 { 0x6e0 }
        /// What other fields of the state hold: IA32_APIC_BASE, EFER, the bases of FS and GS.
        static var elsewhere: Set<UInt32> {
            [timeStamp, 0x1b, 0xc000_0080, 0xc000_0100, 0xc000_0101]
        }
        /// Hyper-V's, which a guest that is told of KVM does not have: to ask for one would make the
        /// kernel keep Hyper-V's state for the processor. Hyper-V specification, 2.4.
        static var otherHypervisor: ClosedRange<UInt32> { 0x4000_0000...0x4000_01ff }
        /// The MTRRs, which kernels keep and do not all list. Intel SDM 3, 12.11.2.
        static var memoryTypes: [UInt32] {
            Array(0x200...0x20f) + [0x250, 0x258, 0x259] + Array(0x268...0x26f) + [0x2ff]
        }
        /// What says how the machine below a guest is set up, and to which each engine has its own
        /// answer: where the kernel keeps to its own, nothing is lost that a guest could use.
        /// AMD APM 2, appendix A.
        static var platform: [UInt32] {
            [
                0xc001_0010,  // SYSCFG: which memory types the chip may use.
                0xc001_0015,  // HWCR: switches of the core; the rate of the time stamp counter.
                0xc001_001a,  // TOP_MEM: where memory ends below 4 GiB.
                0xc001_001d,  // TOP_MEM2: where it ends above.
                0xc001_1029,  // DE_CFG: that LFENCE serializes.
            ]
        }
        /// Of one request, as the kernel limits it.
        static var batch: Int { 256 }
    }

    // MARK: What a single instruction needs

    /// All but model-specific registers, local APIC and time stamp.
    func saveForFallback() throws(KVMError) -> CPUState {
        var state = CPUState()
        let number = try descriptor.activity()
        guard let activity = ActivityState(rawValue: UInt8(truncatingIfNeeded: number)),
            number < 256
        else { throw .engine(.state("KVM's activity \(number) of processor \(index)")) }
        state.activity = activity
        state.general = GeneralRegisters(try descriptor.registers())
        state.system = SystemRegisters(try descriptor.systemRegisters())
        state.floatingPoint = FloatingPointState(
            try descriptor.floatingPoint(byteCount: facts.floatingPointBytes),
            xcr0: Self.xcr0(try descriptor.extendedControl()),
            hasKeys: state.system.cr4 & 1 << 22 != 0)
        state.debug = [UInt64](try descriptor.debugRegisters())
        state.events = PendingEvents(try descriptor.events())
        return state
    }

    /// Takes over what the fallback has changed.
    func restoreFromFallback(_ after: CPUState, before: CPUState) throws(KVMError) {
        if after.floatingPoint != before.floatingPoint {
            try setFloatingPoint(after.floatingPoint)
        }
        if after.system != before.system || after.events.exception?.payload != nil {
            try descriptor.setSystemRegisters(kvm_sregs(after.system, after.events.exception))
        }
        try descriptor.setRegisters(kvm_regs(after.general))
        if after.debug != before.debug || after.events.exception?.payload != nil {
            try descriptor.setDebugRegisters(kvm_debugregs(after.debug, after.events.exception))
        }
        // Always, and after the registers: the kernel has queued #UD for the instruction.
        try descriptor.setEvents(kvm_vcpu_events(after.events, isWhole: false))
        if after.activity != before.activity {
            try descriptor.setActivity(UInt32(after.activity.rawValue))
        }
    }

    /// What the fallback needs of the model-specific registers: where system calls lead, on hosts
    /// that lose their way there. STAR, LSTAR, the mask of flags.
    func addSystemCallRegisters(to state: inout CPUState) throws(KVMError) {
        let numbers: [UInt32] = [0xc000_0081, 0xc000_0082, 0xc000_0084]
        for (number, value) in zip(numbers, try descriptor.modelSpecific(numbers[...])) {
            state.msrs[number] = value
        }
    }

    // MARK: Floating point

    private static func xcr0(_ registers: kvm_xcrs) -> UInt64 {
        registers.nr_xcrs > 0 && registers.xcrs.0.xcr == 0 ? registers.xcrs.0.value : 1
    }

    private func setFloatingPoint(_ state: FloatingPointState) throws(KVMError) {
        guard let words = state.words(byteCount: facts.floatingPointBytes) else {
            throw .engine(
                .state(
                    "a floating-point image of \(state.image.count) bytes, where the host's has "
                        + "\(facts.floatingPointBytes)"))
        }
        var registers = kvm_xcrs()
        registers.nr_xcrs = 1
        registers.xcrs.0.value = state.xcr0
        try descriptor.setExtendedControl(registers)
        try descriptor.setFloatingPoint(words)
    }

    // MARK: Model-specific registers

    /// The values of those that the kernel lists and then gives, and of the MTRRs.
    private func savedModelSpecific() throws(KVMError) -> [UInt32: UInt64] {
        let numbers = Self.savedRegisters(facts.stateRegisters)
        var values: [UInt32: UInt64] = [:]
        var place = 0
        while place < numbers.count {
            let batch = numbers[place..<min(place + MSR.batch, numbers.count)]
            let found = try descriptor.modelSpecific(batch)
            for (number, value) in zip(batch, found) { values[number] = value }
            // One that is listed and not given belongs to a feature that this guest does not have.
            place += found.count < batch.count ? found.count + 1 : batch.count
        }
        return values
    }

    /// Which of `listed` registers make up the state, and the MTRRs.
    static func savedRegisters(_ listed: [UInt32]) -> [UInt32] {
        let elsewhere = MSR.elsewhere
        let all = listed + MSR.memoryTypes.filter { !listed.contains($0) }
        return all.filter { !elsewhere.contains($0) && !MSR.otherHypervisor.contains($0) }
    }

    private func restoreModelSpecific(_ values: [UInt32: UInt64]) throws(KVMError) {
        let sorted = values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        var place = 0
        while place < sorted.count {
            let batch = sorted[place..<min(place + MSR.batch, sorted.count)]
            let taken = try descriptor.setModelSpecific(batch)
            place += taken
            guard taken < batch.count else { continue }
            // One that is not written because it cannot be, and has that value, is no loss; nor
            // is the zero of one that does not exist here.
            let (number, value) = sorted[place]
            let present = try descriptor.modelSpecific([number]).first ?? 0
            guard present == value || MSR.platform.contains(number) else {
                throw .modelSpecificRegister(number, value)
            }
            place += 1
        }
    }
}

extension FloatingPointState {
    /// The kernel's image, without what is not the guest's: the kernel's notes among the first 512
    /// bytes, and components that the guest has not enabled. Nor are there zeros at its end, which
    /// is what absent bytes are.
    ///
    /// - Parameter hasKeys: Protection keys are on (CR4.PKE), so PKRU is in use without XCR0.
    init(_ words: [UInt32], xcr0: UInt64, hasKeys: Bool) {
        self.init()
        self.xcr0 = xcr0
        var words = words
        for index in (464 / 4)..<(512 / 4) { words[index] = 0 }
        let keys: UInt64 = hasKeys ? 1 << 9 : 0
        let enabled = xcr0 | 3 | keys
        words[512 / 4] &= UInt32(truncatingIfNeeded: enabled)
        words[516 / 4] &= UInt32(truncatingIfNeeded: enabled >> 32)
        let isPlain = words[512 / 4] & ~3 == 0 && words[516 / 4] == 0
        let used = isPlain ? 0 : words.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
        let count = max((used * 4 + 63) & ~63, Self.minimum)
        image = []
        image.reserveCapacity(count)
        for index in 0..<(count / 4) { image.append(little: words[index]) }
    }

    /// The kernel's image; nil if this one is longer or none.
    func words(byteCount: Int) -> [UInt32]? {
        guard image.count >= Self.minimum, image.count <= byteCount else { return nil }
        var words = [UInt32](repeating: 0, count: byteCount / 4)
        for (place, byte) in image.enumerated() {
            words[place / 4] |= UInt32(byte) << UInt32(place % 4 * 8)
        }
        return words
    }
}

extension LocalAPICState {
    init(words: [UInt32]) {
        self.init()
        for (place, word) in words.enumerated() { self[place * 4] = word }
    }

    var words: [UInt32] { (0..<(Self.byteCount / 4)).map { self[$0 * 4] } }

    /// Lets a timer that counts once and has come to its end come to it again.
    ///
    /// The kernel shows 0 of it both when its interrupt has been requested and when it keeps that
    /// for the processor's next run, which nobody can tell apart. It takes 0 for the latter itself
    /// where it is given back; so that every engine does, a count of 1 is left. One interrupt too
    /// many is better than one that never comes.
    mutating func keepDueTimer() {
        let entry = self[0x320]
        let (word, bit) = (Int(entry & 0xff) / 32, entry & 31)
        let isRequested = self[0x200 + word * 16] >> bit & 1 != 0
        // Neither masked nor in another mode.
        guard entry & 0x7_0000 == 0, self[0x380] != 0, self[0x390] == 0, !isRequested
        else { return }
        self[0x390] = 1
    }
}

extension [UInt8] {
    fileprivate mutating func append(little word: UInt32) {
        for shift in [0, 8, 16, 24] as [UInt32] {
            append(UInt8(truncatingIfNeeded: word >> shift))
        }
    }
}

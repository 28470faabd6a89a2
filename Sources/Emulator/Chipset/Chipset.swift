// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The machine's interrupt controllers and timers: a local APIC a processor, an I/O APIC, two
/// 8259s and an 8254, wired as in a PC.
///
/// `now` is guest time in nanoseconds; the TSC counts the same. One lock holds all state; `wake`
/// is called after it has been dropped, on the calling thread. A processor need not be woken by
/// what it does itself through the calls that name it: it polls after each of them.
package final class Chipset: Sendable {
    /// What the local APICs' timers count before the divider, a second.
    package static var timerFrequency: UInt64 { 1_000_000_000 }

    private let state: Mutex<ChipsetState>
    private let wake: @Sendable (_ cpu: Int) -> Void
    private let cpuCount: Int

    /// - Parameters:
    ///   - cpuCount: 1 to 64; processor 0 is the boot processor.
    ///   - wake: This processor has something new to look at. Any thread, no lock held.
    package init(cpuCount: Int, wake: @escaping @Sendable (_ cpu: Int) -> Void) {
        precondition(cpuCount >= 1 && cpuCount <= 64, "1 to 64 processors")
        self.cpuCount = cpuCount
        self.wake = wake
        state = Mutex(ChipsetState(cpuCount: cpuCount))
    }

    /// Runs `body` under the lock, then wakes whom it concerns, but not `caller`.
    @inline(__always)
    private func change<Result>(
        caller: Int?, _ body: (inout ChipsetState) -> Result
    ) -> Result {
        let (result, news) = state.withLock { state in
            let result = body(&state)
            let news = state.news
            state.news = 0
            return (result, news)
        }
        if news != 0 { wakeAll(caller.map { news & ~(1 << UInt64($0)) } ?? news) }
        return result
    }

    private func wakeAll(_ processors: UInt64) {
        var left = processors
        while left != 0 {
            wake(left.trailingZeroBitCount)
            left &= left &- 1
        }
    }

    // MARK: Processors

    /// Fires the timers that are due and answers what `cpu` must see. To be called when woken, at
    /// `nextDeadline` (halted or not), and after each access of its own to these devices.
    package func poll(cpu: Int, now: UInt64) -> Pending {
        change(caller: cpu) { state in
            state.advance(cpu: cpu, now: now)
            return state.pending(cpu: cpu, now: now)
        }
    }

    /// Takes the interrupt that the processor now delivers: from the 8259s if they have one for
    /// it, else the highest vector of its APIC. Nil if it has gone meanwhile.
    package func acknowledge(cpu: Int, now: UInt64) -> UInt8? {
        change(caller: cpu) { state in
            guard state.externalWire, state.localAPICs[cpu].takesExternal else {
                return state.localAPICs[cpu].acknowledge()
            }
            state.localAPICs[cpu].signals.external = false
            let vector = state.pic.acknowledge()
            // The wire drops for the cycle, so a second request is a new edge.
            state.externalWire = false
            state.ioAPIC.lines &= ~1
            state.followPIC()
            return vector
        }
    }

    /// Takes a pending NMI; false if there is none.
    package func takeNMI(cpu: Int) -> Bool {
        change(caller: cpu) { state in
            defer { state.localAPICs[cpu].signals.nonMaskable = false }
            return state.localAPICs[cpu].signals.nonMaskable
        }
    }

    /// Takes a pending INIT, which resets the local APIC; false if there is none. The boot
    /// processor then runs from its reset vector, any other waits for its startup.
    package func takeInit(cpu: Int) -> Bool {
        change(caller: cpu) { state in
            guard state.localAPICs[cpu].signals.initialize else { return false }
            state.localAPICs[cpu].initialize()
            return true
        }
    }

    /// Takes a pending startup: the processor begins at `vector << 12` in real mode.
    package func takeStartup(cpu: Int) -> UInt8? {
        change(caller: cpu) { state in
            let signals = state.localAPICs[cpu].signals
            guard signals.isWaiting, !signals.initialize, let vector = signals.startup
            else { return nil }
            state.localAPICs[cpu].signals.startup = nil
            state.localAPICs[cpu].signals.isWaiting = false
            return vector
        }
    }

    /// CR8: bits 4 to 7 of the task priority.
    package func taskPriority(cpu: Int) -> UInt8 {
        state.withLock { $0.localAPICs[cpu].taskPriority >> 4 }
    }

    /// Writes CR8; only the low four bits of `value` count.
    package func setTaskPriority(cpu: Int, _ value: UInt8) {
        state.withLock { $0.localAPICs[cpu].taskPriority = value << 4 }
    }

    /// What the processor's TSC shows beyond guest time (wraps), after a write of IA32_TSC or
    /// IA32_TSC_ADJUST. Its TSC deadline follows.
    package func setTSCOffset(cpu: Int, _ offset: UInt64) {
        state.withLock { $0.localAPICs[cpu].timer.tscOffset = offset }
    }

    /// Makes all processors' TSCs run at another rate.
    package func setTimeStampScale(_ scale: TimeStampScale) {
        state.withLock { state in
            for cpu in state.localAPICs.indices { state.localAPICs[cpu].timer.scale = scale }
        }
    }

    /// Reads or changes state as a whole, and wakes every processor if asked to.
    func replace(waking: Bool, _ body: (inout ChipsetState) -> Void) {
        state.withLock { state in
            body(&state)
            if waking { state.news = 0 }
        }
        guard waking else { return }
        for cpu in 0..<cpuCount { wake(cpu) }
    }

    // MARK: Registers of the local APIC

    /// Reads from the page at 0xfee00000; `offset` below 4,096. An access inside a register is
    /// shifted, one beside it reads 0, and all ones is what a page that is not there reads.
    package func readAPIC(cpu: Int, offset: UInt64, now: UInt64) -> UInt32 {
        change(caller: cpu) { state in
            guard state.localAPICs[cpu].isEnabled, !state.localAPICs[cpu].isX2 else { return .max }
            guard offset & 0xf < 4, offset < 0x1000 else { return 0 }
            state.advance(cpu: cpu, now: now)
            guard let value = state.localAPICs[cpu].read(Int(offset >> 4), now: now) else {
                state.localAPICs[cpu].fail(.illegalRegister)
                return 0
            }
            return UInt32(truncatingIfNeeded: value >> (offset & 3 &* 8))
        }
    }

    /// Writes to the page at 0xfee00000. Only 32-bit writes at multiples of 16 do anything.
    package func writeAPIC(cpu: Int, offset: UInt64, value: UInt32, now: UInt64) {
        change(caller: cpu) { state in
            guard state.localAPICs[cpu].isEnabled, !state.localAPICs[cpu].isX2,
                offset & 0xf == 0, offset < 0x1000
            else { return }
            state.advance(cpu: cpu, now: now)
            let effect = state.localAPICs[cpu].writePage(Int(offset >> 4), value, now: now)
            _ = state.perform(effect, from: cpu)
        }
    }

    /// True for the MSRs of ``readMSR(cpu:number:now:)``: 0x1b, 0x6e0 and 0x800 to 0x8ff.
    @inline(__always)
    package static func owns(msr number: UInt32) -> Bool {
        number == 0x1b || number == 0x6e0 || number >> 8 == 8
    }

    /// Reads an MSR; nil is #GP.
    package func readMSR(cpu: Int, number: UInt32, now: UInt64) -> UInt64? {
        change(caller: cpu) { state in
            switch number {
            case 0x1b: return state.localAPICs[cpu].base
            case 0x6e0:
                state.advance(cpu: cpu, now: now)
                return state.localAPICs[cpu].timer.tscDeadline
            case 0x800...0x8ff:
                guard state.localAPICs[cpu].isX2 else { return nil }
                state.advance(cpu: cpu, now: now)
                return state.localAPICs[cpu].read(Int(number &- 0x800), now: now)
            default: return nil
            }
        }
    }

    /// Writes an MSR; false is #GP.
    package func writeMSR(cpu: Int, number: UInt32, value: UInt64, now: UInt64) -> Bool {
        change(caller: cpu) { state in
            switch number {
            case 0x1b:
                return state.localAPICs[cpu].writeBase(value)
            case 0x6e0:
                state.advance(cpu: cpu, now: now)
                state.localAPICs[cpu].timer.setDeadline(value)
                return true
            case 0x800...0x8ff:
                state.advance(cpu: cpu, now: now)
                let effect = state.localAPICs[cpu].writeX2(
                    Int(number &- 0x800), value, now: now)
                return state.perform(effect, from: cpu)
            default: return false
            }
        }
    }

    // MARK: The rest of the machine

    /// Reads from the page at 0xfec00000.
    package func readIOAPIC(offset: UInt64) -> UInt32 {
        state.withLock { $0.ioAPIC.read(offset: offset) }
    }

    /// Writes to the page at 0xfec00000.
    package func writeIOAPIC(offset: UInt64, value: UInt32) {
        change(caller: nil) { state in
            let deadline = state.pitDeadline
            state.serviceLevels(state.ioAPIC.write(offset: offset, value: value))
            if state.pitDeadline != deadline { state.note(0) }
        }
    }

    /// Reads ports of the 8259s, the 8254 and port 0x61, `size` 1, 2 or 4; nil if the first one
    /// is not theirs. Wider accesses are taken apart, with ones for ports that are not theirs.
    package func readPort(_ port: UInt16, size: Int, now: UInt64) -> UInt32? {
        guard Self.owns(port: port) else { return nil }
        return change(caller: nil) { state in
            state.advancePIT(now: now)
            var value: UInt32 = 0
            for index in 0..<UInt16(truncatingIfNeeded: min(size, 4)) {
                let port = port &+ index
                let byte = state.pic.read(port: port) ?? state.pit.read(port: port, now: now)
                value |= UInt32(byte ?? 0xff) << UInt32(index &* 8)
            }
            state.followPIC()
            return value
        }
    }

    /// Writes ports of the 8259s, the 8254 and port 0x61; false if the first one is not theirs.
    package func writePort(_ port: UInt16, size: Int, value: UInt32, now: UInt64) -> Bool {
        guard Self.owns(port: port) else { return false }
        change(caller: nil) { state in
            state.advancePIT(now: now)
            let deadline = state.pitDeadline
            for index in 0..<UInt16(truncatingIfNeeded: min(size, 4)) {
                let byte = UInt8(truncatingIfNeeded: value >> UInt32(index &* 8))
                if !state.pic.write(port: port &+ index, byte) {
                    _ = state.pit.write(port: port &+ index, byte, now: now)
                }
            }
            state.followPIC()
            if state.pitDeadline != deadline { state.note(0) }
        }
        return true
    }

    /// True for the ports that are answered here.
    @inline(__always)
    package static func owns(port: UInt16) -> Bool {
        switch port {
        case 0x20, 0x21, 0x40...0x43, 0x61, 0xa0, 0xa1, 0x4d0, 0x4d1: true
        default: false
        }
    }

    /// Drives global system interrupt `gsi`, 0 to 23 but 2, for a source of its own. Any thread.
    package func setLine(gsi: UInt32, high: Bool) {
        change(caller: nil) { $0.setLine(gsi, high: high) }
    }

    /// An edge on `gsi`: it stays requested after the line has fallen. Any thread.
    package func pulse(gsi: UInt32) {
        change(caller: nil) { state in
            state.setLine(gsi, high: true)
            state.setLine(gsi, high: false)
        }
    }

    /// A message-signalled interrupt; an address that is no APIC's is ignored. Any thread.
    package func sendMSI(address: UInt64, data: UInt32) {
        guard let message = InterruptMessage(msiAddress: address, data: data) else { return }
        _ = change(caller: nil) { $0.deliver(message) }
    }

    // MARK: Saving

    /// All state. Consistent at any moment; whole-machine consistent when no processor runs.
    package func save() -> ChipsetState { state.withLock { $0 } }

    /// Takes back a saved state and wakes every processor. False, and nothing changes, if it is
    /// of another layout or another number of processors.
    package func restore(_ saved: ChipsetState) -> Bool {
        guard saved.isSound(cpuCount: cpuCount) else { return false }
        state.withLock {
            $0 = saved
            $0.news = 0
        }
        for cpu in 0..<cpuCount { wake(cpu) }
        return true
    }
}

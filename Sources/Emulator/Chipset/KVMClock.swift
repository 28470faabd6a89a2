// SPDX-License-Identifier: Apache-2.0
import Memory
import Synchronization

/// The paravirtual clock of KVM, as the guest's processors see it: MSRs by which the guest says
/// where it wants its clock structures, and CPUID leaves that offer them.
/// Linux, Documentation/virt/kvm/x86/msr.rst and cpuid.rst.
///
/// The TSC keeps step with guest time, so each structure stays right for ever after it is written.
package final class KVMClock: Sendable {
    /// The four registers of a CPUID leaf.
    package struct Leaf: Hashable, Sendable {
        package var eax: UInt32
        package var ebx: UInt32
        package var ecx: UInt32
        package var edx: UInt32
    }

    /// What the guest has written to the MSRs, to be saved.
    package struct State: Hashable, Sendable {
        package var wallClock: UInt64 = 0
        /// One a processor.
        package var systemTimes: [UInt64]
    }

    /// TSC ticks a second.
    package static var frequency: UInt64 { 1_000_000_000 }

    private static var tscIsStable: UInt8 { 1 }
    private static var guestWasStopped: UInt8 { 2 }

    private let memory: GuestMemory
    private let state: Mutex<Contents>

    private struct Contents {
        var msrs: State
        /// Nanoseconds since 1970 at guest time 0.
        var epoch: UInt64
        var scale = TimeStampScale.natural
    }

    /// - Parameters:
    ///   - cpuCount: At least 1.
    ///   - epoch: Nanoseconds since 1970-01-01 00:00 UTC at guest time 0.
    package init(memory: GuestMemory, cpuCount: Int, epoch: UInt64) {
        self.memory = memory
        let msrs = State(systemTimes: [UInt64](repeating: 0, count: cpuCount))
        state = Mutex(Contents(msrs: msrs, epoch: epoch))
    }

    /// Nanoseconds since 1970 at guest time 0.
    package var epoch: UInt64 {
        get { state.withLock { $0.epoch } }
        set { state.withLock { $0.epoch = newValue } }
    }

    /// How fast the TSC runs.
    package func setTimeStampScale(_ scale: TimeStampScale) {
        state.withLock { $0.scale = scale }
    }

    /// True for the clock's MSRs, old numbers and new.
    @inline(__always)
    package static func owns(msr number: UInt32) -> Bool {
        switch number {
        case 0x11, 0x12, 0x4b56_4d00, 0x4b56_4d01: true
        default: false
        }
    }

    /// The hypervisor leaves: 0x40000000 (who), 0x40000001 (features), 0x40000010 (frequencies
    /// in kHz); nil for others.
    package static func leaf(_ number: UInt32) -> Leaf? {
        switch number {
        case 0x4000_0000:
            // "KVMKVMKVM" and the last leaf of the range.
            return Leaf(eax: 0x4000_0010, ebx: 0x4b4d_564b, ecx: 0x564b_4d56, edx: 0x4d)
        case 0x4000_0001:
            // Clock source by old MSRs 0 and by new 3, no delay after ports 1, stable flag 24.
            return Leaf(eax: 1 << 0 | 1 << 1 | 1 << 3 | 1 << 24, ebx: 0, ecx: 0, edx: 0)
        case 0x4000_0010:
            let timer = UInt32(Chipset.timerFrequency / 1000)
            return Leaf(eax: UInt32(frequency / 1000), ebx: timer, ecx: 0, edx: 0)
        case 0x4000_0002...0x4000_000f:
            return Leaf(eax: 0, ebx: 0, ecx: 0, edx: 0)
        default: return nil
        }
    }

    /// Reads an MSR that the clock owns.
    package func readMSR(cpu: Int, number: UInt32) -> UInt64 {
        state.withLock { state in
            isWallClock(number) ? state.msrs.wallClock : state.msrs.systemTimes[cpu]
        }
    }

    /// Writes an MSR that the clock owns. Never #GP: an address that is not RAM gets no structure.
    /// - Parameter tsc: What the processor's TSC shows at `now`.
    package func writeMSR(cpu: Int, number: UInt32, value: UInt64, now: UInt64, tsc: UInt64) {
        state.withLock { state in
            if isWallClock(number) {
                state.msrs.wallClock = value
                writeWallClock(at: value, epoch: state.epoch)
            } else {
                state.msrs.systemTimes[cpu] = value
                writeSystemTime(
                    value, Moment(now: now, tsc: tsc, scale: state.scale), flags: Self.tscIsStable)
            }
        }
    }

    private func isWallClock(_ number: UInt32) -> Bool { number == 0x11 || number == 0x4b56_4d00 }

    /// Writes a processor's structure anew, after its TSC has been changed or the machine was
    /// stopped. `wasStopped` tells the guest's watchdogs to forgive the time.
    package func refresh(cpu: Int, now: UInt64, tsc: UInt64, wasStopped: Bool) {
        state.withLock { state in
            let flags = Self.tscIsStable | (wasStopped ? Self.guestWasStopped : 0)
            writeSystemTime(
                state.msrs.systemTimes[cpu], Moment(now: now, tsc: tsc, scale: state.scale),
                flags: flags)
        }
    }

    /// Sets an MSR without writing any structure: the guest's memory has them already.
    package func setMSR(cpu: Int, number: UInt32, value: UInt64) {
        state.withLock { state in
            if isWallClock(number) {
                state.msrs.wallClock = value
            } else {
                state.msrs.systemTimes[cpu] = value
            }
        }
    }

    package func save() -> State { state.withLock { $0.msrs } }

    /// Takes back what was saved; ``refresh(cpu:now:tsc:wasStopped:)`` each processor after it.
    /// False, and nothing changes, for another number of processors.
    package func restore(_ saved: State) -> Bool {
        state.withLock { state in
            guard saved.systemTimes.count == state.msrs.systemTimes.count else { return false }
            state.msrs = saved
            return true
        }
    }

    // MARK: Structures

    /// Version, seconds, nanoseconds: 4 bytes each, the time of day at guest time 0.
    private func writeWallClock(at address: UInt64, epoch: UInt64) {
        guard address != 0 else { return }
        let seconds = UInt32(truncatingIfNeeded: epoch / 1_000_000_000)
        let nanoseconds = UInt32(truncatingIfNeeded: epoch % 1_000_000_000)
        let words = [seconds, nanoseconds]
        publish(at: GuestAddress(address), body: words)
    }

    private struct Moment {
        let now: UInt64
        let tsc: UInt64
        let scale: TimeStampScale
    }

    /// Version, 4 bytes of nothing, TSC, system time (8 each), multiplier, shift, flags.
    private func writeSystemTime(_ value: UInt64, _ moment: Moment, flags: UInt8) {
        guard value & 1 != 0 else { return }
        let low: (UInt64) -> UInt32 = { UInt32(truncatingIfNeeded: $0) }
        let factors = moment.scale.clockFactors
        let words: [UInt32] = [
            0, low(moment.tsc), low(moment.tsc >> 32), low(moment.now), low(moment.now >> 32),
            factors.multiplier, UInt32(UInt8(bitPattern: factors.shift)) | UInt32(flags) << 8,
        ]
        publish(at: GuestAddress(value & ~1), body: words)
    }

    /// Stores `body` behind a version that is odd meanwhile, if it all is RAM.
    private func publish(at address: GuestAddress, body: [UInt32]) {
        let count = UInt64(body.count + 1) * 4
        guard memory.contains(address, count: count) else { return }
        do throws(MemoryError) {
            let version = try memory.load(UInt32.self, at: address) | 1
            try memory.store(version, at: address)
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            for (index, word) in body.enumerated() {
                try memory.store(word, at: address &+ UInt64(index + 1) * 4)
            }
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            try memory.store(version &+ 1, at: address)
        } catch {
            // Checked above: it is RAM, and RAM stays.
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux
import Memory
import Synchronization

/// One processor of the hardware engine.
package final class KVMVCPU: VirtualCPU, @unchecked Sendable {
    /// What does not change while the processor lives.
    struct Facts: Sendable {
        /// As this processor answers.
        let cpuid: CPUIDTable
        /// Model-specific registers that make up its state, as the kernel lists them.
        let stateRegisters: [UInt32]
        /// Bytes of the kernel's floating-point image.
        let floatingPointBytes: Int
        /// Files that the guest has as memory.
        let persistent: [PersistentMemory]
    }

    package let index: Int
    let descriptor: VCPUDescriptor
    let facts: Facts
    private let bus: any MachineBus
    private let fallback: (any EmulationFallback)?
    /// Somebody has kicked, and no run has answered it yet.
    private let isKicked = Atomic<Bool>(false)
    /// The thread inside ``run()``; 0: none.
    private let thread = Atomic<CInt>(0)
    var repair: SystemCallRepair?
    /// Of the time stamp counter.
    var rate: TimeStampRate
    private let completed = Mutex<[String: UInt64]>([:])
    package private(set) var exitCount: UInt64 = 0

    init(
        index: Int, descriptor: consuming VCPUDescriptor, bus: any MachineBus,
        fallback: (any EmulationFallback)?, repair: SystemCallRepair?, rate: TimeStampRate,
        facts: Facts
    ) {
        self.index = index
        self.descriptor = descriptor
        self.bus = bus
        self.fallback = fallback
        self.repair = repair
        self.rate = rate
        self.facts = facts
    }

    var cpuid: CPUIDTable { facts.cpuid }

    /// The kernel does not count a guest's instructions.
    package var retiredInstructions: UInt64? { nil }

    package var completedInstructions: [String: UInt64] { completed.withLock { $0 } }

    /// SYSCALL is counted among the instructions that the kernel left undone.
    func noteRepair() { completed.withLock { $0["0f 05", default: 0] &+= 1 } }

    // MARK: Kicks

    // The order here and in `answersKick()` is what loses no kick. A kick is noted, then the run
    // page told, then a thread inside the guest signalled. A run that ends early clears the page
    // first and then asks whether there is a note: a kick that comes between the two is either
    // found or leaves the page told, so that the next run ends at once.
    package func kick() {
        isKicked.store(true, ordering: .sequentiallyConsistent)
        descriptor.page.setImmediateExit(true)
        let thread = thread.load(ordering: .sequentiallyConsistent)
        if thread != 0 { clinux_kvm_kick(thread) }
    }

    private func answersKick() -> Bool {
        descriptor.page.setImmediateExit(false)
        return isKicked.exchange(false, ordering: .sequentiallyConsistent)
    }

    package func tellStopped() -> Bool {
        do throws(KVMError) {
            try descriptor.tellClockStopped()
            return true
        } catch .request(_, .invalid) {
            // The guest has no such clock.
            return true
        } catch {
            return false
        }
    }

    // MARK: Running

    package func run() -> VCPUExit {
        thread.store(clinux_kvm_own_thread(), ordering: .sequentiallyConsistent)
        defer { thread.store(0, ordering: .sequentiallyConsistent) }
        while true {
            do throws(Errno) {
                try descriptor.run()
            } catch .interrupted {
                if answersKick() { return .interrupted }
                continue
            } catch .again {
                // A processor that waited to be started has been woken.
                continue
            } catch .badAddress {
                return .memoryLost("KVM cannot run processor \(index): \(suspicion)")
            } catch {
                return .failed("KVM cannot run processor \(index): \(error)")
            }
            exitCount &+= 1
            if let exit = answer(descriptor.page.exit) { return exit }
        }
    }

    /// Does what an exit asks for; nil: the guest goes on.
    @inline(__always)
    private func answer(_ exit: RunExit) -> VCPUExit? {
        switch exit {
        case .port(let access): answer(access)
        case .memory(let access):
            if let text = lossText(access) { return .memoryLost(text) }
            answer(access)
        case .interrupted: break
        case .shutdown: return .shutdown
        case .emulationFailed: return completeInstruction()
        case .debug, .registerWrite: return repairSystemCall(exit)
        case .halted:
            return .failed("KVM left a halted processor to us, though it has its interrupts")
        case .systemEvent(let number):
            return .failed("the guest asked KVM for system event \(number)")
        case .entryFailed(let reason):
            return .failed(
                "the host's processor refused to enter the guest, reason "
                    + "0x\(String(reason, radix: 16))")
        case .internalError(let number):
            return .failed(RunExit.internalErrorText(number, descriptor.page.internalData))
        case .unknown(let reason):
            return .failed("KVM came back with exit \(reason), which it was not asked for")
        }
        return nil
    }

    private func answer(_ access: PortAccess) {
        for index in 0..<access.count {
            if access.isWrite {
                bus.writePort(
                    access.port, size: access.size, value: descriptor.page.value(access, index))
            } else {
                let value = bus.readPort(access.port, size: access.size)
                descriptor.page.setValue(access, index, value)
            }
        }
    }

    private func answer(_ access: MemoryAccess) {
        let address = GuestAddress(access.address)
        guard access.size & (access.size - 1) == 0 else { return answerBytes(access) }
        if access.isWrite {
            bus.writeMemory(address, size: access.size, value: descriptor.page.data)
        } else {
            descriptor.page.data = bus.readMemory(address, size: access.size)
        }
    }

    /// What is to be said if the guest's access comes to us because the host has no page for it.
    ///
    /// Where KVM emulates the access it takes memory that it cannot reach for a device's.
    private func lossText(_ access: MemoryAccess) -> String? {
        guard access.address >= PersistentMemory.base else { return nil }
        let memory = facts.persistent.first {
            access.address &- $0.region.base.rawValue < $0.region.byteCount
        }
        // Writes to what is read-only always come to us, and go to nobody.
        guard let memory, !(access.isWrite && memory.region.isReadOnly) else { return nil }
        return memory.file.lossText
    }

    /// Where it executes the access it says no more than that an address is bad, of which all that
    /// KVM has of ours are the guest's memory.
    private var suspicion: String {
        let loss = "the host could not give a page of the guest's memory"
        guard let memory = facts.persistent.first else { return loss }
        return "\(loss); perhaps \(memory.file.lossText)"
    }

    /// A part of an access across pages: of three, five, six or seven bytes.
    private func answerBytes(_ access: MemoryAccess) {
        var data = descriptor.page.data
        for index in 0..<access.size {
            let address = GuestAddress(access.address) &+ UInt64(index)
            let shift = UInt64(index * 8)
            if access.isWrite {
                bus.writeMemory(address, size: 1, value: data >> shift & 0xff)
            } else {
                data &= ~(0xff << shift)
                data |= (bus.readMemory(address, size: 1) & 0xff) << shift
            }
        }
        if !access.isWrite { descriptor.page.data = data }
    }

    // MARK: What the kernel cannot emulate

    /// Lets the fallback execute the instruction at RIP.
    private func completeInstruction() -> VCPUExit? {
        let bytes = descriptor.page.failedInstruction
        completed.withLock { $0[Instruction.opcode(bytes), default: 0] += 1 }
        var before: CPUState
        do throws(KVMError) {
            before = try saveForFallback()
            try addSystemCallRegisters(to: &before)
        } catch {
            return .failed("\(error)")
        }
        let place =
            "the instruction \(Instruction.text(bytes)) at 0x"
            + String(before.general.rip, radix: 16)
        guard let fallback else {
            return .failed("KVM cannot emulate \(place), and nobody is there who could")
        }
        switch fallback.complete(before, processor: index) {
        case .refused(let reason):
            return .failed("KVM cannot emulate \(place), nor can the software processor: \(reason)")
        case .completed(let after):
            do throws(KVMError) {
                try restoreFromFallback(after, before: before)
            } catch {
                return .failed("after \(place): \(error)")
            }
        }
        return nil
    }
}

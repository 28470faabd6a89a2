// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Linux
import Memory
import Synchronization

/// Completes single instructions for an engine that cannot execute them itself, with all that they
/// do to registers, memory and devices. Exceptions are reported, to be injected by the engine.
///
/// Nothing but the object is made before the first instruction comes.
package final class InstructionCompletion: EmulationFallback, @unchecked Sendable {
    private let memory: GuestMemory
    private let bus: any MachineBus
    private let cpuCount: Int
    private let workshop = Mutex(Workshop())

    private struct Workshop {
        var machine: SoftVirtualMachine?
        var layout: ExtendedStateLayout?
        /// By index of the processor.
        var processors: [Int: SoftVCPU] = [:]
    }

    /// - Parameters:
    ///   - bus: What instructions on ports and devices reach.
    ///   - cpuCount: Processors of the machine.
    package init(memory: GuestMemory, bus: any MachineBus, cpuCount: Int) {
        self.memory = memory
        self.bus = bus
        self.cpuCount = cpuCount
    }

    /// Takes another layout of the extended state than the host's.
    func use(_ layout: ExtendedStateLayout) { workshop.withLock { $0.layout = layout } }

    package func complete(_ state: CPUState, processor index: Int) -> EmulationOutcome {
        let processor: SoftVCPU
        do throws(Errno) {
            processor = try self.processor(index)
        } catch {
            return .refused("there is no room to complete an instruction in: \(error)")
        }
        return processor.complete(state)
    }

    private func processor(_ index: Int) throws(Errno) -> SoftVCPU {
        try workshop.withLock { workshop throws(Errno) in
            if let known = workshop.processors[index] { return known }
            let machine: SoftVirtualMachine
            if let made = workshop.machine {
                machine = made
            } else {
                machine = try SoftVirtualMachine(
                    completing: memory, bus: bus, cpuCount: cpuCount)
                workshop.machine = machine
            }
            let layout = workshop.layout ?? .host
            workshop.layout = layout
            let host = try CompletionHost(memory: memory, bus: bus, layout: layout)
            let processor = try SoftVCPU(index: index, machine: machine, completion: host)
            workshop.processors[index] = processor
            return processor
        }
    }
}

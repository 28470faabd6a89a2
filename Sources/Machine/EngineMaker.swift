// SPDX-License-Identifier: Apache-2.0
import Emulator
import Hypervisor
import KVM
import Linux
import Memory

/// Which engine a machine got, and why not the other.
package struct EngineFinding: Hashable, Sendable {
    package var kind: EngineKind
    /// Why `auto` did not take KVM; nil if it did, or was not asked.
    package var reason: String?

    /// `kvm` or `soft`, and in words what is behind it.
    package var description: String {
        switch kind {
        case .soft: reason.map { "soft (\($0))" } ?? "soft"
        case .hardware: "kvm"
        case .nested: "kvm (in a virtual machine)"
        case .pvm: "kvm (PVM: guest kernels are emulated)"
        }
    }
}

/// Makes the engine that a configuration asks for.
struct EngineMaker {
    let configuration: MachineConfiguration
    let memory: GuestMemory
    let bus: SystemBus

    struct Engine {
        let machine: any VirtualMachine
        let reason: String?
    }

    func make() throws(MachineError) -> Engine {
        guard (1...32).contains(configuration.cpuCount) else {
            throw .cpuCount(configuration.cpuCount)
        }
        switch configuration.engine {
        case .soft: return Engine(machine: try soft(), reason: nil)
        case .kvm:
            // Now, and not when somebody asks: by then the process may be confined.
            let device = try openKVM()
            let host = detect(device)
            if let error = host.error { throw .kvm(error) }
            return Engine(machine: try kvm(device, host), reason: nil)
        case .auto: return try automatic()
        }
    }

    /// KVM where guests run natively on it, else the software processor.
    private func automatic() throws(MachineError) -> Engine {
        if configuration.deterministic {
            return Engine(machine: try soft(), reason: "only it runs the same way twice")
        }
        do throws(MachineError) {
            let device = try openKVM()
            let host = detect(device)
            guard host.runsKernelsNatively else {
                return Engine(machine: try soft(), reason: "\(host)")
            }
            return Engine(machine: try kvm(device, host), reason: nil)
        } catch {
            guard case .kvm(let reason) = error else { throw error }
            return Engine(machine: try soft(), reason: "\(reason)")
        }
    }

    private var request: VirtualMachineConfiguration {
        var request = VirtualMachineConfiguration(
            cpuCount: configuration.cpuCount, deterministic: configuration.deterministic)
        request.template = configuration.template
        request.threadsPerCore = configuration.threadsPerCore
        return request
    }

    private func openKVM() throws(MachineError) -> KVMDevice {
        do throws(KVMError) {
            return try KVMDevice(
                path: configuration.kvmPath, version: configuration.kvmVersion)
        } catch {
            throw .kvm(error)
        }
    }

    private func detect(_ device: borrowing KVMDevice) -> KVMHost {
        KVMHost.detect(
            on: device, path: configuration.kvmPath,
            memo: configuration.memoDirectory.map { HostMemo(directory: $0) })
    }

    private func kvm(
        _ device: consuming KVMDevice, _ host: KVMHost
    ) throws(MachineError) -> any VirtualMachine {
        do throws(KVMError) {
            return try KVMVirtualMachine(
                device: device, memory: memory, bus: bus,
                configuration: request, kind: host.kind ?? .hardware,
                supported: host.supported,
                fallback: InstructionCompletion(
                    memory: memory, bus: bus, cpuCount: configuration.cpuCount))
        } catch {
            throw .kvm(error)
        }
    }

    private func soft() throws(MachineError) -> any VirtualMachine {
        let machine: SoftVirtualMachine
        do throws(Errno) {
            machine = try SoftVirtualMachine(memory: memory, bus: bus, configuration: request)
        } catch {
            throw .host("cannot make the virtual machine: \(error)")
        }
        guard let template = configuration.template else { return machine }
        do throws(EngineError) {
            try Self.apply(template, to: machine)
        } catch {
            throw .host("\(error)")
        }
        return machine
    }

    /// Sees to it that there is what the template changes, and changes the registers; CPUID answers
    /// with the changes by itself.
    private static func apply(
        _ template: CPUTemplate, to machine: SoftVirtualMachine
    ) throws(EngineError) {
        var table = machine.profile.cpuid
        try template.apply(to: &table)
        guard !template.registers.isEmpty else { return }
        for vcpu in machine.vcpus {
            var state = try vcpu.save()
            for change in template.registers {
                guard let old = state.msrs[change.number] else {
                    throw .template(
                        "model-specific register 0x\(String(change.number, radix: 16))")
                }
                state.msrs[change.number] = change.bits.apply(to: old)
            }
            try vcpu.restore(state)
        }
    }
}

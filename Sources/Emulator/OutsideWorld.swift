// SPDX-License-Identifier: Apache-2.0
import Hypervisor

extension SoftVCPU {
    package func tellStopped() -> Bool {
        // Time that counts instructions has stood still by itself.
        if !machine.time.isDeterministic {
            let now = machine.now(self)
            machine.clock.refresh(cpu: index, now: now, tsc: timeStamp(at: now), wasStopped: true)
        }
        return true
    }

    private func timeStamp(at now: UInt64) -> UInt64 {
        machine.timeStampScale.ticks(in: now) &+ cpu.state.tscOffset
    }
}

/// What the processor's instructions reach beside RAM and memory-mapped devices.
extension SoftVCPU: ProcessorHost {
    func readPort(_ port: UInt16, size: Int) -> UInt32 {
        countExit()
        if let completion { return completion.bus.readPort(port, size: size) }
        if let value = machine.chipset.readPort(port, size: size, now: machine.now(self)) {
            return value
        }
        return machine.bus.readPort(port, size: size)
    }

    func writePort(_ port: UInt16, size: Int, value: UInt32) {
        countExit()
        if let completion { return completion.bus.writePort(port, size: size, value: value) }
        if machine.chipset.writePort(port, size: size, value: value, now: machine.now(self)) {
            lookAround()
            return
        }
        machine.bus.writePort(port, size: size, value: value)
    }

    /// The first instruction at CPL 3 is next; of a completed instruction nobody counts it.
    func userCodeBegins() {
        if completion == nil { machine.noteUserEntry() }
    }

    func time(retired: UInt64) -> UInt64 { machine.time.now(retired: retired) }

    func readMSR(_ number: UInt32) -> UInt64? {
        if let completion {
            completion.refuse("model-specific register 0x\(String(number, radix: 16))")
            return nil
        }
        if Chipset.owns(msr: number) {
            return machine.chipset.readMSR(cpu: index, number: number, now: machine.now(self))
        }
        return KVMClock.owns(msr: number)
            ? machine.clock.readMSR(cpu: index, number: number) : nil
    }

    func writeMSR(_ number: UInt32, _ value: UInt64) -> Bool {
        if let completion {
            completion.refuse("model-specific register 0x\(String(number, radix: 16))")
            return false
        }
        let now = machine.now(self)
        if Chipset.owns(msr: number) {
            defer { lookAround() }
            return machine.chipset.writeMSR(cpu: index, number: number, value: value, now: now)
        }
        guard KVMClock.owns(msr: number) else { return false }
        machine.clock.writeMSR(
            cpu: index, number: number, value: value, now: now, tsc: timeStamp(at: now))
        return true
    }

    func timeStampMoved(offset: UInt64) {
        machine.chipset.setTSCOffset(cpu: index, offset)
        lookAround()
    }

    var taskPriority: UInt8 {
        get { completion?.taskPriority ?? machine.chipset.taskPriority(cpu: index) }
        set {
            if let completion {
                completion.taskPriority = newValue
                return
            }
            machine.chipset.setTaskPriority(cpu: index, newValue)
            lookAround()
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory

/// One instruction from plain state to plain state.
extension SoftVCPU {
    /// Executes the instruction at `before`'s RIP.
    func complete(_ before: CPUState) -> EmulationOutcome {
        var before = before
        // KVM queues #UD before it says that it cannot emulate an instruction.
        before.events.exception = nil
        guard let host = completion else { return .refused("this processor runs guests") }
        guard before.general.rflags & ControlBits.vm == 0 else {
            return .refused("virtual 8086 mode")
        }
        load(before, host)
        defer {
            cpu.leaveFloatEnvironment()
            if !host.pins.isEmpty { host.pins.removeAll() }
        }
        if let state = repairedSystemCall(before) { return .completed(state) }
        guard let opcode = decodeStep(host) else {
            if let refusal = host.refusal { return .refused(refusal) }
            return .completed(saved(before, host))
        }
        if opcode.needsEngine { return .refused("\(opcode) is the engine's own") }
        let traps = cpu.state.systemFlags & ControlBits.tf != 0
        cpu.state.systemFlags &= ~ControlBits.rf
        cpu.state.inhibitInterrupts = false
        var operation = host.operations
        repeat {
            operation = Op(operation).handler(cpu.address, operation)
        } while operation != 0
        if let refusal = host.refusal {
            return .refused("\(opcode) needs \(refusal), which only the engine has")
        }
        if cpu.state.leaving == .failed { return .refused("\(opcode)") }
        if cpu.state.pending.vector == 0xff {
            let stepped = traps && cpu.state.systemFlags & ControlBits.tf != 0
            let conditions = cpu.state.watchHits | (stepped ? Processor.debugStep : 0)
            if conditions != 0 { cpu.pendDebug(conditions) }
        }
        return .completed(saved(before, host))
    }

    // MARK: State

    private func load(_ state: CPUState, _ host: CompletionHost) {
        host.refusal = nil
        host.areaWasLoaded = false
        host.area = ExtendedArea(state.floatingPoint.image)
        host.taskPriority = UInt8(truncatingIfNeeded: state.system.cr8)
        cpu.generalRegisters = state.general
        cpu.systemRegisters = state.system
        cpu.state.rip = state.general.rip &+ cpu.get64(Register.base(of: 1))
        cpu.state.xcr0 = state.floatingPoint.xcr0
        cpu.loadFloatingPoint(host.area.bytes)
        cpu.enterFloatEnvironment()
        for (place, number) in [0, 1, 2, 3, 6, 7].enumerated() where place < state.debug.count {
            cpu.state.debug[number] = state.debug[place]
        }
        cpu.updateMode()
        cpu.state.system.nmiBlocked = state.events.nonMaskable.isMasked
        cpu.state.pending = PendingException()
        cpu.state.leaving = .none
        cpu.state.watchHits = 0
        // Branches leave at once, for there is nothing to go on with.
        cpu.state.stopAt = 0
        cpu.state.retired = 0
    }

    /// The state after the instruction, or at it with the exception that it has raised.
    private func saved(_ before: CPUState, _ host: CompletionHost) -> CPUState {
        var state = before
        state.general = cpu.generalRegisters
        let base = state.system.apicBase
        state.system = cpu.systemRegisters
        state.system.apicBase = base
        state.system.cr8 = UInt64(host.taskPriority)
        state.floatingPoint.xcr0 = cpu.state.xcr0
        if !host.areaWasLoaded { saveUnits(host) }
        state.floatingPoint.image = host.area.bytes
        state.debug = [0, 1, 2, 3, 6, 7].map { cpu.state.debug[$0] }
        state.events.nonMaskable.isMasked = cpu.state.system.nmiBlocked
        state.events.shadow = []
        if cpu.state.inhibitInterrupts { state.events.shadow = .sti }
        if cpu.state.leaving == .halt { state.activity = .halted }
        if cpu.state.leaving == .shutdown { state.events.isTripleFault = true }
        let pending = cpu.state.pending
        if pending.vector != 0xff {
            state.events.exception = PendingEvents.Exception(
                vector: pending.vector, errorCode: pending.hasErrorCode ? pending.errorCode : nil)
            // What is injected is pushed with RFLAGS as they are.
            let event = InterruptEvent(vector: pending.vector, returnAddress: cpu.state.rip)
            if event.setsResume { state.general.rflags |= ControlBits.rf }
        }
        return state
    }

    /// Puts x87 and SSE registers into the area, where the instruction has changed them.
    private func saveUnits(_ host: CompletionHost) {
        cpu.leaveFloatEnvironment()
        var image = host.area.bytes
        cpu.storeFloatingPoint(into: &image)
        guard image != host.area.bytes else { return }
        let inUse = host.area.inUse | ExtendedArea.x87 | ExtendedArea.sse
        host.area = ExtendedArea(image)
        host.area.inUse = inUse
    }

    // MARK: Decoding

    /// Decodes the instruction at RIP. Nil: an exception is pending instead.
    func decodeStep(_ host: CompletionHost) -> CompletedOpcode? {
        let rip = cpu.state.rip
        cpu.page = rip & ~0xfff
        let room = 0x1000 - Int(rip & 0xfff)
        guard fetch(rip, count: min(room, 15), into: host.code) else { return nil }
        switch decode(host, available: min(room, 15)) {
        case .success(let opcode): return opcode
        case .failure(.truncated):
            // The rest lies in the next page.
            let next = cpu.state.mode.is64 ? rip &+ UInt64(room) : cpu.wrapped(rip &+ UInt64(room))
            guard fetch(next, count: 15 - room, into: host.code &+ UInt(room)) else { return nil }
            switch decode(host, available: 15) {
            case .success(let opcode): return opcode
            case .failure(let error): refuseCode(error)
            }
        case .failure(let error): refuseCode(error)
        }
        return nil
    }

    private func refuseCode(_ error: DecodeError) {
        cpu.pend(error == .invalidOpcode ? .invalidOpcode : .generalProtection)
    }

    private func decode(
        _ host: CompletionHost, available: Int
    ) -> Result<CompletedOpcode, DecodeError> {
        var buffer = BlockBuffer(
            start: host.operations, capacity: CompletionHost.operationLimit)
        let offset = Int(cpu.state.rip & 0xfff)
        buffer.begin(offset: offset)
        var decoder = Decoder(
            bytes: host.code, available: available, mode: cpu.state.mode, output: buffer)
        do throws(DecodeError) {
            try decoder.decodeForCompletion()
        } catch {
            return .failure(error)
        }
        buffer = decoder.output
        buffer.finish(length: decoder.position)
        let end = offset + decoder.position
        var operation = Operation(handler: BranchHandlers.elsewhere)
        operation.displacement = Int32(end)
        operation.ordinal = UInt8(truncatingIfNeeded: buffer.ordinal)
        buffer.appendContinuation(operation, offset: end)
        return .success(CompletedOpcode(decoder))
    }

    /// Copies code of one page, as the processor fetches it. False: an exception is pending.
    private func fetch(_ linear: UInt64, count: Int, into target: UInt) -> Bool {
        if cpu.state.mode.is64 && !cpu.isCanonical(linear) {
            cpu.pend(.generalProtection)
            return false
        }
        let found = cpu.walk(
            linear, PageAccess(execute: true, user: cpu.state.privilege == 3))
        if let code = found.fault {
            cpu.state.cr2 = linear
            cpu.pend(.page, errorCode: code)
            return false
        }
        let physical = found.page | linear & 0xfff
        guard let source = cpu.readable(physical, count: UInt64(count)) else {
            completion?.refuse("code outside memory")
            cpu.pend(.invalidOpcode)
            return false
        }
        for index in 0..<UInt(count) {
            HostAddress(target &+ index).store(HostAddress(source &+ index).load(UInt8.self))
        }
        return true
    }
}

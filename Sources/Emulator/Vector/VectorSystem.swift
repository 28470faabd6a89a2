// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Control of the vector unit: MXCSR, XCR0, availability, fences.
extension Vectors {
    // MARK: Availability

    /// What an instruction needs of CR0 and CR4.
    enum Need: UInt16 {
        /// CR0.EM clear and CR4.OSFXSR set, else #UD; CR0.TS clear, else #NM.
        case sse
        /// As SSE's, but for CR4.OSFXSR.
        case mmx
    }

    /// The step ahead of vector instructions in blocks whose mode says that they may fault
    /// (``CodeMode/vectorsFault``). The immediate is the raw value of a ``Need``.
    static let check: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let sse = op.immediate == Int64(Need.sse.rawValue)
        if cpu.state.cr0 & 4 != 0 || sse && cpu.state.cr4 & 0x200 == 0 {
            return cpu.raise(op, .invalidOpcode)
        }
        if cpu.state.cr0 & 8 != 0 { return cpu.raise(op, .deviceNotAvailable) }
        return op.next
    }

    // MARK: MXCSR

    /// LDMXCSR; reserved bits raise #GP(0).
    static let loadControl: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        guard let value = cpu.load(cpu.effectiveAddress(op), UInt32.self) else {
            return cpu.fault(op)
        }
        guard value >> 16 == 0 else { return cpu.raise(op, .generalProtection) }
        cpu.setControlStatus(value)
        return op.next
    }
    static let storeControl: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        return cpu.store(cpu.effectiveAddress(op), cpu.controlStatus) ? op.next : cpu.fault(op)
    }

    // MARK: XCR0

    /// XGETBV: register 0 only.
    static let getExtendedControl: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        if cpu.state.cr4 & 0x4_0000 == 0 { return cpu.raise(op, .invalidOpcode) }
        if cpu.rcx & 0xffff_ffff != 0 { return cpu.raise(op, .generalProtection) }
        cpu.rax = cpu.state.xcr0 & 0xffff_ffff
        cpu.rdx = cpu.state.xcr0 >> 32
        return op.next
    }
    /// XSETBV: x87 state is always on, SSE state may be, nothing else.
    static let setExtendedControl: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        if cpu.state.cr4 & 0x4_0000 == 0 { return cpu.raise(op, .invalidOpcode) }
        let value = cpu.rax & 0xffff_ffff | cpu.rdx << 32
        guard cpu.state.privilege == 0, cpu.rcx & 0xffff_ffff == 0, value == 1 || value == 3 else {
            return cpu.raise(op, .generalProtection)
        }
        cpu.state.xcr0 = value
        return op.next
    }

    // MARK: Order

    /// LFENCE, SFENCE: blocks are carried out in order anyway.
    static let weakFence: Handler = { _, operation in Op(operation).next }
    /// MFENCE.
    static let fence: Handler = { _, operation in
        clinux_fence()
        return Op(operation).next
    }
    /// CLFLUSH: faults as a load does.
    static let flush: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        return cpu.load(cpu.effectiveAddress(op), UInt8.self) == nil ? cpu.fault(op) : op.next
    }
}

// SPDX-License-Identifier: Apache-2.0

/// RDMSR, WRMSR, RDTSC, RDTSCP. Intel SDM 2.
extension Processor {
    /// RDMSR. #GP(0) unless CPL 0, and for registers that are not there.
    func readMSR(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        let number = get(Register.rcx, UInt32.self)
        guard let value = modelSpecific(number, op) else { return raise(op, .generalProtection) }
        rax = value & 0xffff_ffff
        rdx = value >> 32
        return op.next
    }

    /// WRMSR. #GP(0) unless CPL 0, and for registers and values that are not there.
    func writeMSR(_ op: Op) -> UInt {
        guard state.privilege == 0 else { return raise(op, .generalProtection) }
        let number = get(Register.rcx, UInt32.self)
        let value = rax & 0xffff_ffff | rdx << 32
        guard setModelSpecific(number, value, op) else { return raise(op, .generalProtection) }
        return number == MSR.efer ? leave(op) : op.next
    }

    /// RDTSC. #GP(0) with CR4.TSD unless CPL 0.
    func readTimeStamp(_ op: Op) -> UInt {
        guard state.privilege == 0 || state.cr4 & ControlBits.tsd == 0 else {
            return raise(op, .generalProtection)
        }
        let time = timeStamp(op)
        rax = time & 0xffff_ffff
        rdx = time >> 32
        return op.next
    }

    /// RDTSCP.
    func readTimeStampAndProcessor(_ op: Op) -> UInt {
        let next = readTimeStamp(op)
        if next != 0 { rcx = state.msrs.tscAux }
        return next
    }
}

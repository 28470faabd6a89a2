// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor

extension Processor {
    /// The state after RESET or INIT. Intel SDM 3, table 9-1. An INIT leaves the floating-point unit,
    /// the MSRs but EFER, and the caches alone.
    func reset(isBootProcessor: Bool, keepingUnits: Bool = false) {
        for number in 0..<16 { set64(Register.general(number), 0) }
        rdx = UInt64(CPUID.signature)
        state.system.nmiBlocked = false
        state.flags = Flags(bits: 0)
        state.systemFlags = 2
        state.direction = 1
        state.privilege = 0
        state.cr0 = 0x6000_0010
        state.cr2 = 0
        state.cr3 = 0
        state.cr4 = 0
        state.msrs.efer = 0
        if !keepingUnits {
            state.msrs = ModelSpecificRegisters()
            state.x87 = X87State()
            state.mxcsr = 0x1f80
            state.xcr0 = 1
        }
        let data = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x93)
        for number in 0..<6 { state.segments[number] = data }
        state.segments[1] = Segment(
            selector: 0xf000, base: 0xffff_0000, limit: 0xffff, attributes: 0x9b)
        state.ldt = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x82)
        state.task = Segment(selector: 0, base: 0, limit: 0xffff, attributes: 0x8b)
        state.gdt = DescriptorTable(base: 0, limit: 0xffff)
        state.idt = DescriptorTable(base: 0, limit: 0xffff)
        for number in 0..<8 { state.debug[number] = 0 }
        state.debug[6] = 0xffff_0ff0
        state.debug[7] = 0x400
        state.pending = PendingException()
        state.inhibitInterrupts = false
        state.interruptWaiting = false
        state.rip = 0xffff_fff0
        reloadSegments()
        flushTLB(global: true)
    }

    /// Begins at page `vector` in real mode, as a startup message asks. Intel SDM 3, 8.4.
    func start(vector: UInt8) {
        state.segments[1] = Segment(
            selector: UInt16(vector) << 8, base: UInt64(vector) << 12, limit: 0xffff,
            attributes: 0x9b)
        state.rip = UInt64(vector) << 12
        reloadSegments()
    }

    /// CMPXCHG16B's exchange at a 16-byte boundary. `found` holds the value expected, and then what
    /// was there; nil: an exception is pending.
    @inline(never) func compareExchange16(
        _ address: UInt64, _ found: inout SIMD2<UInt64>, _ desired: SIMD2<UInt64>
    ) -> Bool? {
        guard probeWrite(address, byteCount: 16) else { return nil }
        guard let host = hostAddress(address) else {
            // A device has no 16-byte cycles.
            pend(.generalProtection)
            return nil
        }
        let equal = unsafe withUnsafeMutableBytes(of: &found) { raw in
            unsafe clinux_cas128(
                HostAddress(host).pointer,
                raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt64.self),
                desired[0], desired[1])
        }
        vcpu.wrote(host, 16)
        return equal
    }
}

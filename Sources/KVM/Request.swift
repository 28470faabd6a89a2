// SPDX-License-Identifier: Apache-2.0
import CLinux
import Linux

/// A request to KVM, as `linux/kvm.h` numbers it.
package struct Request: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt

    package init(rawValue: UInt) { self.rawValue = rawValue }

    /// Bytes that the kernel reads or writes at the argument's address; the number itself says
    /// it. 0 if the argument is a plain number. For arguments of variable length, their head.
    package var argumentSize: Int { Int(rawValue >> 16 & 0x3fff) }
}

/// Requests to `/dev/kvm`.
extension Request {
    static var getAPIVersion: Self { Self(rawValue: CKVM_GET_API_VERSION) }
    static var createVM: Self { Self(rawValue: CKVM_CREATE_VM) }
    static var checkExtension: Self { Self(rawValue: CKVM_CHECK_EXTENSION) }
    static var getVCPUMapSize: Self { Self(rawValue: CKVM_GET_VCPU_MMAP_SIZE) }
    static var getMSRIndexList: Self { Self(rawValue: CKVM_GET_MSR_INDEX_LIST) }
    static var getSupportedCPUID: Self { Self(rawValue: CKVM_GET_SUPPORTED_CPUID) }
}

/// Requests to a virtual machine.
extension Request {
    static var createVCPU: Self { Self(rawValue: CKVM_CREATE_VCPU) }
    static var setUserMemoryRegion: Self { Self(rawValue: CKVM_SET_USER_MEMORY_REGION) }
    static var setTSSAddress: Self { Self(rawValue: CKVM_SET_TSS_ADDR) }
    static var setIdentityMapAddress: Self { Self(rawValue: CKVM_SET_IDENTITY_MAP_ADDR) }
    static var createIRQChip: Self { Self(rawValue: CKVM_CREATE_IRQCHIP) }
    static var createPIT: Self { Self(rawValue: CKVM_CREATE_PIT2) }
    static var reinjectControl: Self { Self(rawValue: CKVM_REINJECT_CONTROL) }
    static var irqLine: Self { Self(rawValue: CKVM_IRQ_LINE) }
    static var irqDescriptor: Self { Self(rawValue: CKVM_IRQFD) }
    static var ioDescriptor: Self { Self(rawValue: CKVM_IOEVENTFD) }
    static var getIRQChip: Self { Self(rawValue: CKVM_GET_IRQCHIP) }
    static var setIRQChip: Self { Self(rawValue: CKVM_SET_IRQCHIP) }
    static var getPIT: Self { Self(rawValue: CKVM_GET_PIT2) }
    static var setPIT: Self { Self(rawValue: CKVM_SET_PIT2) }
    static var getClock: Self { Self(rawValue: CKVM_GET_CLOCK) }
    static var setClock: Self { Self(rawValue: CKVM_SET_CLOCK) }
    static var enableCapability: Self { Self(rawValue: CKVM_ENABLE_CAP) }
    static var setRegisterFilter: Self { Self(rawValue: CKVM_X86_SET_MSR_FILTER) }
}

/// Requests to a vCPU.
extension Request {
    static var run: Self { Self(rawValue: CKVM_RUN) }
    static var getRegisters: Self { Self(rawValue: CKVM_GET_REGS) }
    static var setRegisters: Self { Self(rawValue: CKVM_SET_REGS) }
    static var getSystemRegisters: Self { Self(rawValue: CKVM_GET_SREGS) }
    static var setSystemRegisters: Self { Self(rawValue: CKVM_SET_SREGS) }
    static var getXSAVE: Self { Self(rawValue: CKVM_GET_XSAVE) }
    static var getXSAVE2: Self { Self(rawValue: CKVM_GET_XSAVE2) }
    static var setXSAVE: Self { Self(rawValue: CKVM_SET_XSAVE) }
    static var getXCRs: Self { Self(rawValue: CKVM_GET_XCRS) }
    static var setXCRs: Self { Self(rawValue: CKVM_SET_XCRS) }
    static var getDebugRegisters: Self { Self(rawValue: CKVM_GET_DEBUGREGS) }
    static var setDebugRegisters: Self { Self(rawValue: CKVM_SET_DEBUGREGS) }
    static var getMSRs: Self { Self(rawValue: CKVM_GET_MSRS) }
    static var setMSRs: Self { Self(rawValue: CKVM_SET_MSRS) }
    static var getEvents: Self { Self(rawValue: CKVM_GET_VCPU_EVENTS) }
    static var setEvents: Self { Self(rawValue: CKVM_SET_VCPU_EVENTS) }
    static var getMPState: Self { Self(rawValue: CKVM_GET_MP_STATE) }
    static var setMPState: Self { Self(rawValue: CKVM_SET_MP_STATE) }
    static var getLocalAPIC: Self { Self(rawValue: CKVM_GET_LAPIC) }
    static var setLocalAPIC: Self { Self(rawValue: CKVM_SET_LAPIC) }
    static var setCPUID: Self { Self(rawValue: CKVM_SET_CPUID2) }
    static var getTSCRate: Self { Self(rawValue: CKVM_GET_TSC_KHZ) }
    static var setTSCRate: Self { Self(rawValue: CKVM_SET_TSC_KHZ) }
    static var tellClockStopped: Self { Self(rawValue: CKVM_KVMCLOCK_CTRL) }
    static var getStatistics: Self { Self(rawValue: CKVM_GET_STATS_FD) }
    static var setGuestDebug: Self { Self(rawValue: CKVM_SET_GUEST_DEBUG) }
    static var translate: Self { Self(rawValue: CKVM_TRANSLATE) }
}

extension Request: CustomStringConvertible {
    /// As the manual names it.
    package var description: String {
        Self.names.first { $0.request == self }?.name ?? "request 0x\(String(rawValue, radix: 16))"
    }

    private static var names: [(request: Request, name: String)] {
        [
            (.getAPIVersion, "KVM_GET_API_VERSION"), (.createVM, "KVM_CREATE_VM"),
            (.checkExtension, "KVM_CHECK_EXTENSION"), (.getVCPUMapSize, "KVM_GET_VCPU_MMAP_SIZE"),
            (.getMSRIndexList, "KVM_GET_MSR_INDEX_LIST"),
            (.getSupportedCPUID, "KVM_GET_SUPPORTED_CPUID"), (.createVCPU, "KVM_CREATE_VCPU"),
            (.setUserMemoryRegion, "KVM_SET_USER_MEMORY_REGION"),
            (.setTSSAddress, "KVM_SET_TSS_ADDR"),
            (.setIdentityMapAddress, "KVM_SET_IDENTITY_MAP_ADDR"),
            (.createIRQChip, "KVM_CREATE_IRQCHIP"), (.createPIT, "KVM_CREATE_PIT2"),
            (.reinjectControl, "KVM_REINJECT_CONTROL"),
            (.irqLine, "KVM_IRQ_LINE"), (.irqDescriptor, "KVM_IRQFD"),
            (.ioDescriptor, "KVM_IOEVENTFD"), (.getIRQChip, "KVM_GET_IRQCHIP"),
            (.setIRQChip, "KVM_SET_IRQCHIP"), (.getPIT, "KVM_GET_PIT2"),
            (.setPIT, "KVM_SET_PIT2"), (.getClock, "KVM_GET_CLOCK"), (.setClock, "KVM_SET_CLOCK"),
            (.run, "KVM_RUN"),
            (.getRegisters, "KVM_GET_REGS"), (.setRegisters, "KVM_SET_REGS"),
            (.getSystemRegisters, "KVM_GET_SREGS"), (.setSystemRegisters, "KVM_SET_SREGS"),
            (.getXSAVE, "KVM_GET_XSAVE"), (.getXSAVE2, "KVM_GET_XSAVE2"),
            (.setXSAVE, "KVM_SET_XSAVE"), (.getXCRs, "KVM_GET_XCRS"), (.setXCRs, "KVM_SET_XCRS"),
            (.getDebugRegisters, "KVM_GET_DEBUGREGS"), (.setDebugRegisters, "KVM_SET_DEBUGREGS"),
            (.getMSRs, "KVM_GET_MSRS"), (.setMSRs, "KVM_SET_MSRS"),
            (.getEvents, "KVM_GET_VCPU_EVENTS"), (.setEvents, "KVM_SET_VCPU_EVENTS"),
            (.getMPState, "KVM_GET_MP_STATE"), (.setMPState, "KVM_SET_MP_STATE"),
            (.getLocalAPIC, "KVM_GET_LAPIC"), (.setLocalAPIC, "KVM_SET_LAPIC"),
            (.setCPUID, "KVM_SET_CPUID2"), (.getTSCRate, "KVM_GET_TSC_KHZ"),
            (.setTSCRate, "KVM_SET_TSC_KHZ"), (.tellClockStopped, "KVM_KVMCLOCK_CTRL"),
            (.getStatistics, "KVM_GET_STATS_FD"), (.setGuestDebug, "KVM_SET_GUEST_DEBUG"),
            (.translate, "KVM_TRANSLATE"),
            (.enableCapability, "KVM_ENABLE_CAP"),
            (.setRegisterFilter, "KVM_X86_SET_MSR_FILTER"),
        ]
    }
}

extension FileDescriptor {
    /// Passes `argument` as a number.
    @discardableResult
    func perform(_ request: Request, value argument: UInt = 0) throws(KVMError) -> CInt {
        let result = clinux_ioctl_value(rawValue, request.rawValue, argument)
        guard result >= 0 else { throw .request(request, Errno(rawValue: -result)) }
        return result
    }

    /// Passes `argument` by address.
    @discardableResult
    func perform<Argument: BitwiseCopyable>(
        _ request: Request, _ argument: inout Argument
    ) throws(KVMError) -> CInt {
        assert(request.argumentSize == MemoryLayout<Argument>.size)
        let descriptor = rawValue
        // SAFETY: the kernel touches `argumentSize` bytes there, and only during the call.
        let result = unsafe withUnsafeMutablePointer(to: &argument) { address in
            unsafe clinux_ioctl(descriptor, request.rawValue, address)
        }
        guard result >= 0 else { throw .request(request, Errno(rawValue: -result)) }
        return result
    }

    /// Passes the address of `words`, an argument of variable length. The caller sees to it that
    /// there are as many as the kernel will touch.
    @discardableResult
    func perform(_ request: Request, words: inout [UInt32]) throws(KVMError) -> CInt {
        assert(request.argumentSize <= words.count * 4)
        let descriptor = rawValue
        // SAFETY: as above; the length is in the words themselves or fixed by the request.
        let result = unsafe words.withUnsafeMutableBytes { bytes in
            unsafe clinux_ioctl(descriptor, request.rawValue, bytes.baseAddress)
        }
        guard result >= 0 else { throw .request(request, Errno(rawValue: -result)) }
        return result
    }
}

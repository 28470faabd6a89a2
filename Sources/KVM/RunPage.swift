// SPDX-License-Identifier: Apache-2.0
import CLinux
import Linux

/// Why a vCPU came back from the guest.
enum RunExit: Hashable {
    case port(PortAccess)
    case memory(MemoryAccess)
    case halted
    /// A breakpoint or the end of a single step.
    case debug
    /// The guest writes a model-specific register that is watched.
    case registerWrite(UInt32, UInt64)
    case interrupted
    case shutdown
    /// The guest asked for something that ends the machine: the kernel's number of it.
    case systemEvent(UInt32)
    /// The processor refused to enter the guest: its reason.
    case entryFailed(UInt64)
    /// The kernel could not emulate the instruction at RIP.
    case emulationFailed
    /// Another error inside the kernel: its number. The page says more.
    case internalError(UInt32)
    case unknown(reason: UInt32)
}

extension RunExit {
    /// What is known of an internal error, for whoever has to find out on hardware. The numbers are
    /// KVM's and the processor's: which they are, and in what order, depends on the kernel.
    /// KVM API, KVM_EXIT_INTERNAL_ERROR.
    static func internalErrorText(_ number: UInt32, _ data: [UInt64]) -> String {
        let what =
            switch number {
            case CKVM_INTERNAL_ERROR_SIMUL_EX: " (one exception inside another)"
            case CKVM_INTERNAL_ERROR_DELIVERY_EV: " (an exit while an event was delivered)"
            case CKVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON: " (an exit that it does not know)"
            default: ""
            }
        let words = data.map { "0x" + String($0, radix: 16) }.joined(separator: ", ")
        return "KVM met its internal error \(number)\(what)" + (data.isEmpty ? "" : ": \(words)")
    }
}

/// Ports that the guest reads or writes; the values lie in the page.
struct PortAccess: Hashable {
    let port: UInt16
    /// 1, 2 or 4 bytes.
    let size: Int
    /// Values one after the other, for string instructions.
    let count: Int
    let isWrite: Bool
    /// Of the first value.
    let offset: Int
}

/// An address outside RAM that the guest reads or writes; the value lies in the page.
struct MemoryAccess: Hashable {
    let address: UInt64
    /// 1 to 8 bytes.
    let size: Int
    let isWrite: Bool
}

/// The page that a vCPU shares with the kernel: why it came back, and the values that pass between
/// guest and devices, which are answered in place.
struct RunPage: ~Copyable, @unchecked Sendable {
    private let mapping: Mapping

    init(_ mapping: consuming Mapping) { self.mapping = mapping }

    // SAFETY: the mapping is not empty, page-aligned, and lives as long as this.
    @inline(__always)
    private var page: UnsafeMutablePointer<kvm_run> {
        unsafe UnsafeMutablePointer(bitPattern: mapping.address).unsafelyUnwrapped
    }

    /// Makes the run under way or the next one end before it enters the guest. Any thread.
    @inline(__always)
    func setImmediateExit(_ on: Bool) { unsafe clinux_kvm_set_immediate_exit(page, on ? 1 : 0) }

    /// Why the last run ended.
    var exit: RunExit {
        let reason = unsafe clinux_kvm_exit_reason(page)
        switch reason {
        case CKVM_EXIT_IO: return port
        case CKVM_EXIT_MMIO:
            let access = unsafe clinux_kvm_access(page)
            guard (1...8).contains(access.size) else { return .unknown(reason: reason) }
            return .memory(
                MemoryAccess(
                    address: access.address, size: Int(access.size), isWrite: access.is_write != 0))
        case CKVM_EXIT_HLT: return .halted
        case CKVM_EXIT_DEBUG: return .debug
        case CKVM_EXIT_X86_WRMSR:
            let write = unsafe clinux_kvm_register_write(page)
            return .registerWrite(write.number, write.value)
        case CKVM_EXIT_INTR: return .interrupted
        case CKVM_EXIT_SHUTDOWN: return .shutdown
        case CKVM_EXIT_SYSTEM_EVENT: return .systemEvent(unsafe clinux_kvm_system_event(page))
        case CKVM_EXIT_FAIL_ENTRY: return .entryFailed(unsafe clinux_kvm_entry_failure(page))
        case CKVM_EXIT_INTERNAL_ERROR:
            let number = unsafe clinux_kvm_internal_error(page)
            return number == CKVM_INTERNAL_ERROR_EMULATION
                ? .emulationFailed : .internalError(number)
        default: return .unknown(reason: reason)
        }
    }

    /// What the kernel says besides of an internal error; at most 16 words.
    var internalData: [UInt64] {
        var words = [UInt64](repeating: 0, count: 16)
        let count = unsafe clinux_kvm_internal_data(page, &words)
        return Array(words.prefix(Int(count)))
    }

    /// Says whether the write that the last run ended with is refused.
    func answerRegisterWrite(isRefused: Bool) {
        unsafe clinux_kvm_refuse_write(page, isRefused ? 1 : 0)
    }

    private var port: RunExit {
        let access = unsafe clinux_kvm_port(page)
        let size = Int(access.size)
        let count = Int(access.count)
        let offset = Int(truncatingIfNeeded: access.offset)
        // The kernel wrote these; they are checked once all the same.
        guard size == 1 || size == 2 || size == 4, count <= mapping.byteCount / size,
            offset >= 0, offset <= mapping.byteCount - count * size
        else { return .unknown(reason: CKVM_EXIT_IO) }
        return .port(
            PortAccess(
                port: access.port, size: size, count: count, isWrite: access.is_write != 0,
                offset: offset))
    }

    /// Value `index` of a port access.
    @inline(__always)
    func value(_ access: PortAccess, _ index: Int) -> UInt32 {
        let place = unsafe UnsafeRawPointer(page) + (access.offset &+ index &* access.size)
        return switch access.size {
        case 1: UInt32(unsafe place.load(as: UInt8.self))
        case 2: UInt32(unsafe place.loadUnaligned(as: UInt16.self))
        default: unsafe place.loadUnaligned(as: UInt32.self)
        }
    }

    @inline(__always)
    func setValue(_ access: PortAccess, _ index: Int, _ value: UInt32) {
        let place = unsafe UnsafeMutableRawPointer(page) + (access.offset &+ index &* access.size)
        switch access.size {
        case 1: unsafe place.storeBytes(of: UInt8(truncatingIfNeeded: value), as: UInt8.self)
        case 2: unsafe place.storeBytes(of: UInt16(truncatingIfNeeded: value), as: UInt16.self)
        default: unsafe place.storeBytes(of: value, as: UInt32.self)
        }
    }

    /// The eight bytes of a memory access, of which the first `size` count.
    var data: UInt64 {
        get { unsafe UnsafeRawPointer(clinux_kvm_access_data(page)).loadUnaligned(as: UInt64.self) }
        nonmutating set {
            unsafe UnsafeMutableRawPointer(clinux_kvm_access_data(page)).storeBytes(
                of: newValue, as: UInt64.self)
        }
    }

    /// The bytes of the instruction that the kernel could not emulate; none if it does not say.
    var failedInstruction: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 15)
        let count = unsafe clinux_kvm_instruction(page, &bytes)
        return Array(bytes.prefix(Int(count)))
    }
}

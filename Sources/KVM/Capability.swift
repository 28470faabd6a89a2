// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Something that a kernel's KVM can do or not. KVM API, KVM_CHECK_EXTENSION.
package struct Capability: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    static var irqChip: Self { Self(rawValue: CKVM_CAP_IRQCHIP) }
    static var userMemory: Self { Self(rawValue: CKVM_CAP_USER_MEMORY) }
    static var memorySlots: Self { Self(rawValue: CKVM_CAP_NR_MEMSLOTS) }
    static var readOnlyMemory: Self { Self(rawValue: CKVM_CAP_READONLY_MEM) }
    static var tssAddress: Self { Self(rawValue: CKVM_CAP_SET_TSS_ADDR) }
    static var identityMap: Self { Self(rawValue: CKVM_CAP_SET_IDENTITY_MAP_ADDR) }
    static var extendedCPUID: Self { Self(rawValue: CKVM_CAP_EXT_CPUID) }
    static var mpState: Self { Self(rawValue: CKVM_CAP_MP_STATE) }
    static var pit: Self { Self(rawValue: CKVM_CAP_PIT2) }
    static var events: Self { Self(rawValue: CKVM_CAP_VCPU_EVENTS) }
    static var debugRegisters: Self { Self(rawValue: CKVM_CAP_DEBUGREGS) }
    static var xsave: Self { Self(rawValue: CKVM_CAP_XSAVE) }
    static var xcrs: Self { Self(rawValue: CKVM_CAP_XCRS) }
    static var clock: Self { Self(rawValue: CKVM_CAP_ADJUST_CLOCK) }
    static var immediateExit: Self { Self(rawValue: CKVM_CAP_IMMEDIATE_EXIT) }
    static var irqDescriptor: Self { Self(rawValue: CKVM_CAP_IRQFD) }
    static var ioDescriptor: Self { Self(rawValue: CKVM_CAP_IOEVENTFD) }
    static var largeXSAVE: Self { Self(rawValue: CKVM_CAP_XSAVE2) }
    static var tscControl: Self { Self(rawValue: CKVM_CAP_TSC_CONTROL) }
    static var tscRate: Self { Self(rawValue: CKVM_CAP_GET_TSC_KHZ) }
    static var tscDeadline: Self { Self(rawValue: CKVM_CAP_TSC_DEADLINE_TIMER) }
    static var statistics: Self { Self(rawValue: CKVM_CAP_BINARY_STATS_FD) }
    static var registerExits: Self { Self(rawValue: CKVM_CAP_X86_USER_SPACE_MSR) }
    static var registerFilter: Self { Self(rawValue: CKVM_CAP_X86_MSR_FILTER) }
    static var processorLimit: Self { Self(rawValue: CKVM_CAP_MAX_VCPUS) }

    /// What the engine cannot do without. Instead of the others it has: lines that are driven by
    /// request (`irqDescriptor`), exits (`ioDescriptor`), images of 4 KiB (`largeXSAVE`), the
    /// host's rate (`tscControl`, `tscRate`), the timer's other modes (`tscDeadline`), and a clock
    /// (`statistics`).
    static var required: [Capability] {
        [
            .userMemory, .irqChip, .pit, .extendedCPUID, .tssAddress, .identityMap, .mpState,
            .events, .debugRegisters, .xsave, .xcrs, .clock, .immediateExit,
        ]
    }
}

extension Capability: CustomStringConvertible {
    /// As the manual names it.
    package var description: String {
        switch self {
        case .irqChip: "KVM_CAP_IRQCHIP (interrupt controllers in the kernel)"
        case .userMemory: "KVM_CAP_USER_MEMORY (guest memory from this process)"
        case .readOnlyMemory: "KVM_CAP_READONLY_MEM (memory that guests cannot write to)"
        case .tssAddress: "KVM_CAP_SET_TSS_ADDR"
        case .identityMap: "KVM_CAP_SET_IDENTITY_MAP_ADDR"
        case .extendedCPUID: "KVM_CAP_EXT_CPUID (the processor's features)"
        case .mpState: "KVM_CAP_MP_STATE (starting and stopping processors)"
        case .pit: "KVM_CAP_PIT2 (the interval timer in the kernel)"
        case .events: "KVM_CAP_VCPU_EVENTS (pending exceptions and interrupts)"
        case .debugRegisters: "KVM_CAP_DEBUGREGS"
        case .xsave: "KVM_CAP_XSAVE (floating-point state)"
        case .xcrs: "KVM_CAP_XCRS"
        case .clock: "KVM_CAP_ADJUST_CLOCK"
        case .immediateExit: "KVM_CAP_IMMEDIATE_EXIT (Linux 4.12 or later)"
        default: "KVM capability \(rawValue)"
        }
    }
}

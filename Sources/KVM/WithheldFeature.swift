// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// A bit of CPUID that guests do not get, whatever host and kernel can offer. Intel SDM 2, CPUID;
/// AMD APM 3, appendix E.
struct WithheldFeature {
    let leaf: UInt32
    let index: UInt32
    let register: CPUIDRegister
    let bit: UInt32

    private init(_ leaf: UInt32, _ index: UInt32, _ register: CPUIDRegister, _ bit: UInt32) {
        self.leaf = leaf
        self.index = index
        self.register = register
        self.bit = bit
    }

    func isIn(_ entry: CPUIDEntry) -> Bool {
        entry.leaf == leaf && entry.index == index && entry[register] >> bit & 1 != 0
    }

    static var all: [WithheldFeature] {
        [
            WithheldFeature(1, 0, .ecx, 2),  // DTES64: no debug store.
            WithheldFeature(1, 0, .ecx, 3),  // MONITOR: the host's to grant.
            WithheldFeature(1, 0, .ecx, 4),  // DS-CPL: no debug store.
            WithheldFeature(1, 0, .ecx, 5),  // VMX: no nested virtualization.
            WithheldFeature(1, 0, .ecx, 6),  // SMX: no measured launch.
            WithheldFeature(1, 0, .ecx, 7),  // EIST: no power management.
            WithheldFeature(1, 0, .ecx, 8),  // TM2: no thermal control.
            WithheldFeature(1, 0, .ecx, 15),  // PDCM: no performance counters.
            WithheldFeature(1, 0, .edx, 21),  // DS: no debug store.
            WithheldFeature(1, 0, .edx, 22),  // ACPI: no thermal control.
            WithheldFeature(1, 0, .edx, 29),  // TM: no thermal control.
            WithheldFeature(7, 0, .ebx, 2),  // SGX: enclaves cannot be saved.
            WithheldFeature(7, 0, .ebx, 12),  // RDT-M: resource control is the host's.
            WithheldFeature(7, 0, .ebx, 15),  // RDT-A: resource control is the host's.
            WithheldFeature(7, 0, .ecx, 5),  // WAITPKG: the host's to grant.
            // Shadow stacks: the pointer of the one in use is in no state that we take.
            WithheldFeature(7, 0, .ecx, 7),
            WithheldFeature(7, 0, .ecx, 30),  // SGX_LC: of SGX.
            WithheldFeature(7, 0, .edx, 1),  // SGX-KEYS: of SGX.
            // Indirect branch tracking: its state is in the registers of shadow stacks.
            WithheldFeature(7, 0, .edx, 20),
            // AMX: a process has to ask the kernel for its state, which we do not, and KVM offers the
            // instructions all the same.
            WithheldFeature(7, 0, .edx, 22),  // AMX-BF16
            WithheldFeature(7, 0, .edx, 24),  // AMX-TILE
            WithheldFeature(7, 0, .edx, 25),  // AMX-INT8
            WithheldFeature(7, 1, .eax, 21),  // AMX-FP16
            WithheldFeature(7, 1, .edx, 8),  // AMX-COMPLEX
            WithheldFeature(0xd, 0, .eax, 17),  // The tiles' configuration.
            WithheldFeature(0xd, 0, .eax, 18),  // The tiles.
            WithheldFeature(0xd, 1, .eax, 4),  // XFD: of AMX.
            WithheldFeature(0xd, 1, .ecx, 11),  // The user's shadow stack.
            WithheldFeature(0xd, 1, .ecx, 12),  // The kernel's shadow stacks.
            WithheldFeature(0x8000_0001, 0, .ecx, 2),  // SVM: no nested virtualization.
            WithheldFeature(0x8000_0001, 0, .ecx, 10),  // IBS: no performance counters.
            WithheldFeature(0x8000_0001, 0, .ecx, 12),  // SKINIT: no measured launch.
            WithheldFeature(0x8000_0001, 0, .ecx, 23),  // No performance counters of cores.
            WithheldFeature(0x8000_0001, 0, .ecx, 24),  // No counters of the northbridge.
            WithheldFeature(0x8000_0001, 0, .ecx, 28),  // No counters of the last cache.
            WithheldFeature(0x8000_0001, 0, .ecx, 29),  // MWAITX: the host's to grant.
        ]
    }

    /// Leaves that guests do not get at all, or at one index.
    static var leaves: [(leaf: UInt32, index: UInt32?)] {
        [
            (5, nil),  // MONITOR.
            (6, nil),  // Power management: the guest gets one of its own.
            (0xa, nil),  // Performance counters.
            (0xd, 11),  // The user's shadow stack.
            (0xd, 12),  // The kernel's shadow stacks.
            (0xd, 17),  // The tiles' configuration.
            (0xd, 18),  // The tiles.
            (0x12, nil),  // SGX.
            (0x1c, nil),  // Branch records.
            (0x1d, nil),  // Palettes of AMX.
            (0x1e, nil),  // Multiplication of AMX.
            (0x1f, nil),  // Topology, which leaf 0xb says.
            (0x8000_000a, nil),  // SVM.
            (0x8000_001b, nil),  // IBS.
            (0x8000_001f, nil),  // Encrypted memory: the host's.
            (0x8000_0022, nil),  // Performance counters.
        ]
    }
}

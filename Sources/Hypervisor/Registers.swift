// SPDX-License-Identifier: Apache-2.0

/// The general registers, the instruction pointer and the flags. Intel SDM 1, 3.4.
package struct GeneralRegisters: Hashable, Sendable, BitwiseCopyable {
    package var rax: UInt64 = 0
    package var rcx: UInt64 = 0
    package var rdx: UInt64 = 0
    package var rbx: UInt64 = 0
    package var rsp: UInt64 = 0
    package var rbp: UInt64 = 0
    package var rsi: UInt64 = 0
    package var rdi: UInt64 = 0
    package var r8: UInt64 = 0
    package var r9: UInt64 = 0
    package var r10: UInt64 = 0
    package var r11: UInt64 = 0
    package var r12: UInt64 = 0
    package var r13: UInt64 = 0
    package var r14: UInt64 = 0
    package var r15: UInt64 = 0
    package var rip: UInt64 = 0
    /// Bit 1 is always set.
    package var rflags: UInt64 = 2

    package init() {}
}

/// A segment register with its hidden part. Intel SDM 3, 3.4.3.
package struct Segment: Hashable, Sendable, BitwiseCopyable {
    package var selector: UInt16 = 0
    package var base: UInt64 = 0
    /// In bytes, after the granularity bit: the last valid offset.
    package var limit: UInt32 = 0
    /// Bits 40 to 55 of the descriptor without its limit bits: type 0–3, S 4, DPL 5–6, P 7,
    /// AVL 12, L 13, D/B 14, G 15.
    package var attributes: UInt16 = 0

    package init() {}

    package init(selector: UInt16, base: UInt64, limit: UInt32, attributes: UInt16) {
        self.selector = selector
        self.base = base
        self.limit = limit
        self.attributes = attributes
    }
}

/// GDTR or IDTR.
package struct DescriptorTable: Hashable, Sendable, BitwiseCopyable {
    package var base: UInt64 = 0
    package var limit: UInt16 = 0
    package init() {}
    package init(base: UInt64, limit: UInt16) {
        self.base = base
        self.limit = limit
    }
}

/// Segments, tables and control registers.
package struct SystemRegisters: Hashable, Sendable {
    package var cs = Segment()
    package var ds = Segment()
    package var es = Segment()
    package var fs = Segment()
    package var gs = Segment()
    package var ss = Segment()
    package var tr = Segment()
    package var ldt = Segment()
    package var gdt = DescriptorTable()
    package var idt = DescriptorTable()
    package var cr0: UInt64 = 0
    package var cr2: UInt64 = 0
    package var cr3: UInt64 = 0
    package var cr4: UInt64 = 0
    package var cr8: UInt64 = 0
    package var efer: UInt64 = 0
    /// IA32_APIC_BASE. A boot processor's unless it is changed.
    package var apicBase: UInt64 = 0xfee0_0900
    package init() {}
}

// SPDX-License-Identifier: Apache-2.0

/// Bits of the control registers, EFER and RFLAGS that the system side looks at.
/// Intel SDM 3, 2.5; AMD APM 2, 3.1.
enum ControlBits {
    // CR0
    static var pe: UInt64 { 1 }
    static var mp: UInt64 { 1 << 1 }
    static var em: UInt64 { 1 << 2 }
    static var ts: UInt64 { 1 << 3 }
    static var et: UInt64 { 1 << 4 }
    static var wp: UInt64 { 1 << 16 }
    static var am: UInt64 { 1 << 18 }
    static var nw: UInt64 { 1 << 29 }
    static var cd: UInt64 { 1 << 30 }
    static var pg: UInt64 { 1 << 31 }
    /// Bits of CR0 that can be written: PE MP EM TS NE WP AM NW CD PG.
    static var cr0Writable: UInt64 { 0xe005_002f }

    // CR4
    static var tsd: UInt64 { 1 << 2 }
    static var de: UInt64 { 1 << 3 }
    static var pse: UInt64 { 1 << 4 }
    static var pae: UInt64 { 1 << 5 }
    static var pge: UInt64 { 1 << 7 }
    static var osfxsr: UInt64 { 1 << 9 }
    static var fsgsbase: UInt64 { 1 << 16 }
    static var osxsave: UInt64 { 1 << 18 }
    static var smep: UInt64 { 1 << 20 }
    static var smap: UInt64 { 1 << 21 }
    /// TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE SMEP SMAP.
    static var cr4Writable: UInt64 { 0x0035_07fc }

    // EFER
    static var sce: UInt64 { 1 }
    static var lme: UInt64 { 1 << 8 }
    static var lma: UInt64 { 1 << 10 }
    static var nxe: UInt64 { 1 << 11 }
    /// Automatic IBRS, of no effect: nothing is speculated.
    static var automaticIBRS: UInt64 { 1 << 21 }

    // RFLAGS
    static var tf: UInt64 { 1 << 8 }
    static var interrupt: UInt64 { 1 << 9 }
    static var iopl: UInt64 { 3 << 12 }
    static var nt: UInt64 { 1 << 14 }
    static var rf: UInt64 { 1 << 16 }
    static var vm: UInt64 { 1 << 17 }
    static var ac: UInt64 { 1 << 18 }
    /// What POPF at CPL 0 and IRET take over: CF PF AF ZF SF TF IF DF OF IOPL NT AC ID.
    static var flagsWritable: UInt64 { 0x0024_7fd5 }

    /// Physical address bits; those above are reserved in CR3.
    static var physicalBits: UInt64 { 40 }
}

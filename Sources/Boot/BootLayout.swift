// SPDX-License-Identifier: Apache-2.0
import Memory

/// Where boot data and devices lie in guest-physical space, and which ports and interrupts the
/// tables name. The same places as Firecracker's, where it has them.
package enum BootLayout {
    /// Six descriptors: null, null, code (0x10), data (0x18), TSS (0x20, 16 bytes).
    package static let gdt: UInt64 = 0x500
    /// PVH start_info or Multiboot information.
    package static let startInfo: UInt64 = 0x6000
    /// PVH or Multiboot module list: one entry, the initrd.
    package static let moduleList: UInt64 = 0x6080
    /// The boot loader's name for Multiboot kernels.
    package static let loaderName: UInt64 = 0x60c0
    /// The random seed for Linux (setup_data, SETUP_RNG_SEED).
    package static let randomSeed: UInt64 = 0x6800
    /// Linux boot_params; or, for PVH and Multiboot, the memory map.
    package static let zeroPage: UInt64 = 0x7000
    package static let memoryMap: UInt64 = 0x7000
    /// The boot processor's first stack pointer.
    package static let stackTop: UInt64 = 0x8ff0
    /// PML4, then the page-directory pointer table, then four page directories.
    package static let pageTables: UInt64 = 0x9000
    package static let commandLine: UInt64 = 0x20000
    /// Longest command line in bytes, its closing NUL included.
    package static let commandLineLimit = 2048
    /// End of conventional RAM: from here to ``highMemory`` are tables.
    package static let lowMemoryEnd: UInt64 = 0x9fc00
    /// The MP floating pointer, with its table behind it, up to 0xa0000.
    package static let mpTable: UInt64 = 0x9fc00
    package static let mpTableEnd: UInt64 = 0xa0000
    /// The RSDP, with all other ACPI tables behind it.
    package static let acpi: UInt64 = 0xe0000
    /// Where kernels may begin.
    package static let highMemory: UInt64 = 0x10_0000

    /// Windows of memory-mapped devices lie in this range.
    package static let deviceWindows: Range<UInt64> = 0xc000_0000..<0xfec0_0000
    package static let ioAPIC: UInt32 = 0xfec0_0000
    package static let localAPIC: UInt32 = 0xfee0_0000
    /// Input n of the I/O APIC is GSI n, and ISA interrupts have their own numbers but the timer.
    package static let ioAPICInputs = 24
    /// Where ISA interrupt 0, the PIT, is, as on a PC; GSI 0 is the PIC's output.
    package static let timerGSI: UInt32 = 2
    package static let keyboardGSI: UInt32 = 1
    package static let serialGSI: UInt32 = 4
    package static let serialPort: UInt16 = 0x3f8
    /// A pulse here is the power button (Generic Event Device).
    package static let powerButtonGSI: UInt32 = 23
    /// What memory-mapped devices may use.
    package static let deviceGSIs: ClosedRange<UInt32> = 5...22

    /// ACPI sleep control register, one byte, write: see ``powerOffValue``.
    package static let sleepControlPort: UInt16 = 0x600
    /// ACPI sleep status register, one byte: reads 0, writes are ignored.
    package static let sleepStatusPort: UInt16 = 0x601
    /// What a guest writes to ``sleepControlPort`` to power off: SLP_TYP 5, SLP_EN. ACPI 4.8.3.7.
    package static let powerOffValue: UInt8 = 5 << 2 | 1 << 5
    /// What a guest writes to ``resetPort`` to be reset: the keyboard controller's pulse.
    package static let resetPort: UInt16 = 0x64
    package static let resetValue: UInt8 = 0xfe
    /// As many processors as the MP table has room for, and an engine offers.
    package static let mostCPUs = 32
}

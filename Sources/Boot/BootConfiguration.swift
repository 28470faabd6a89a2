// SPDX-License-Identifier: Apache-2.0

/// How a kernel is entered.
package enum BootProtocol: Hashable, Sendable, CaseIterable {
    /// Linux's 64-bit entry with `boot_params` in RSI: ELF `vmlinux` and bzImage.
    case linux64
    /// The entry of the Xen note XEN_ELFNOTE_PHYS32_ENTRY: 32-bit, start_info in EBX.
    case pvh
    /// Multiboot 1: 32-bit, information in EBX.
    case multiboot
}

/// A virtio-mmio window and its interrupt, as the tables tell the guest.
package struct MMIODevice: Hashable, Sendable {
    /// First byte; a multiple of 4 KiB in ``BootLayout/deviceWindows``.
    package let base: UInt64
    /// Bytes; a multiple of 4 KiB.
    package let byteCount: UInt64
    /// In ``BootLayout/deviceGSIs``; told to the guest as edge-triggered, so that it is pulsed.
    package let gsi: UInt32

    package init(base: UInt64, byteCount: UInt64 = 4096, gsi: UInt32) {
        self.base = base
        self.byteCount = byteCount
        self.gsi = gsi
    }

    /// The word for the command line of a kernel without ACPI. A kernel that finds the device in
    /// the DSDT must not be given it: it would have the device twice.
    package var kernelWord: String {
        "virtio_mmio.device=\(byteCount / 1024)K@0x\(String(base, radix: 16)):\(gsi)"
    }
}

/// What is told to the guest besides its kernel and initrd.
package struct BootConfiguration: Hashable, Sendable {
    /// Without NUL; at most 2,047 bytes of UTF-8, or what the kernel takes if that is less.
    package var commandLine: String
    /// Windows and interrupts are distinct.
    package var devices: [MMIODevice]
    /// 1 to ``BootLayout/mostCPUs``; APIC identifiers count from 0.
    package var cpuCount: Int
    /// Handed to Linux's 64-bit entry as seed of its random generator; at most 64 bytes, none if
    /// empty. Must be new for each start, unless the start is to be repeated exactly.
    package var randomSeed: [UInt8]
    /// Enter an ELF kernel by this protocol; nil: the one that suits it (see ``BootImage``).
    package var entryProtocol: BootProtocol?

    package init(
        commandLine: String = "", devices: [MMIODevice] = [], cpuCount: Int = 1,
        randomSeed: [UInt8] = [], entryProtocol: BootProtocol? = nil
    ) {
        self.commandLine = commandLine
        self.devices = devices
        self.cpuCount = cpuCount
        self.randomSeed = randomSeed
        self.entryProtocol = entryProtocol
    }

    /// Most bytes of ``randomSeed``.
    package static let randomSeedLimit = 64

    func check() throws(BootError) {
        guard 1...BootLayout.mostCPUs ~= cpuCount else { throw .configuration(.cpuCount(cpuCount)) }
        guard randomSeed.count <= Self.randomSeedLimit else {
            throw .configuration(.randomSeed(randomSeed.count))
        }
        var interrupts: Set<UInt32> = []
        for device in devices {
            let windows = BootLayout.deviceWindows
            guard device.base % 4096 == 0, device.byteCount % 4096 == 0, device.byteCount > 0,
                windows.contains(device.base), device.byteCount <= windows.upperBound - device.base
            else { throw .configuration(.window(device)) }
            guard BootLayout.deviceGSIs ~= device.gsi, interrupts.insert(device.gsi).inserted
            else { throw .configuration(.interrupt(device)) }
        }
        let sorted = devices.sorted { $0.base < $1.base }
        for (one, next) in zip(sorted, sorted.dropFirst())
        where one.base + one.byteCount > next.base {
            throw .configuration(.window(next))
        }
    }
}

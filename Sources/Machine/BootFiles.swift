// SPDX-License-Identifier: Apache-2.0
import Boot
import Linux
import Memory

/// The kernel and initrd of a configuration, open only while they are copied to the guest.
struct BootFiles {
    private let configuration: MachineConfiguration

    init(_ configuration: MachineConfiguration) { self.configuration = configuration }

    func load(
        devices: [MMIODevice], into memory: GuestMemory
    ) throws(MachineError) -> BootResult {
        let kernel = try open(configuration.kernelPath, "kernel")
        var initrd: OpenFile?
        if let path = configuration.initrdPath { initrd = try open(path, "initrd") }
        // A kernel without ACPI finds the devices by these; one that has them from its tables
        // already refuses the second mention of a window that is taken.
        let line = configuration.commandLine
        let words =
            MachineConfiguration.namesDevices(line) ? [] : devices.map(\.kernelWord)
        let boot = BootConfiguration(
            commandLine: MachineConfiguration.commandLine(line, adding: words), devices: devices,
            cpuCount: configuration.cpuCount, randomSeed: seed())
        do throws(BootError) {
            return try BootImage.load(
                kernel: kernel, initrd: initrd, configuration: boot, into: memory)
        } catch {
            throw .boot(error, kernel: configuration.kernelPath)
        }
    }

    /// New for each start, unless the start is to be repeated exactly.
    private func seed() -> [UInt8] {
        configuration.deterministic
            ? [UInt8](repeating: 0x5a, count: 32) : RandomBytes.make(count: 32)
    }

    private func open(_ path: String, _ what: String) throws(MachineError) -> OpenFile {
        do throws(Errno) {
            return OpenFile(file: try RegularFile(path))
        } catch {
            throw .file(what, path: path, reason: "\(error)")
        }
    }
}

/// A kernel or initrd of the host's.
private struct OpenFile: ByteSource {
    let file: RegularFile

    var byteCount: Int { file.byteCount }

    func bytes(in range: Range<Int>) -> [UInt8]? {
        guard let bytes = try? file.bytes(in: range), bytes.count == range.count else {
            return nil
        }
        return bytes
    }

    func copy(
        _ range: Range<Int>, to memory: GuestMemory, at address: GuestAddress
    ) throws(MemoryError) -> Bool {
        try memory.fill(from: file, range, at: address)
    }
}

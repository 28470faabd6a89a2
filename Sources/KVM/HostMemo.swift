// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux

/// Remembers what KVM is on this host, and what it offers guests, until the host boots again, its
/// module is loaded anew, or its processor is another.
///
/// To ask for CPUID costs a tenth of a start: the kernel asks the processor for each entry, and where the
/// host is a machine itself each answer comes from the machine's own host.
package struct HostMemo: Hashable, Sendable {
    private let file: PrivateFile
    private let bootIDPath: String

    /// - Parameters:
    ///   - directory: This user's own; made if its parent is there.
    ///   - bootIDPath: A file that says something else after each boot.
    package init(
        directory: String, bootIDPath: String = "/proc/sys/kernel/random/boot_id"
    ) {
        file = PrivateFile(directory: directory, name: "kvm-host")
        self.bootIDPath = bootIDPath
    }

    /// In ``PrivateFile/usualDirectory``.
    package static var usual: HostMemo? {
        PrivateFile.usualDirectory.map { HostMemo(directory: $0) }
    }

    /// What is kept.
    struct Facts: Hashable, Sendable {
        let kind: EngineKind
        /// As ``KVMDevice/supportedCPUID()`` answers.
        let supported: CPUIDTable
    }

    /// What was kept; nil if nothing was, or under other circumstances, or not by us.
    func recall(device: String) -> Facts? {
        guard let bytes = file.read(limit: Self.limit), let key = key(device),
            let end = bytes.firstIndex(of: 0x0a),
            let kind = kind(bytes[..<end], key),
            let supported = CPUIDWords.table(bytes: bytes[(end + 1)...])
        else { return nil }
        return Facts(kind: kind, supported: supported)
    }

    /// Keeps it, if that can be done.
    func keep(_ facts: Facts, device: String) {
        guard let key = key(device) else { return }
        file.write(
            Array("\(key) \(facts.kind.rawValue)\n".utf8) + CPUIDWords.bytes(facts.supported))
    }

    /// A line, and the largest table that is asked for.
    private static var limit: Int { 256 + CPUIDWords.byteCount(KVMDevice.entryLimit) }

    private func kind(_ line: ArraySlice<UInt8>, _ key: String) -> EngineKind? {
        for kind in [EngineKind.hardware, .nested, .pvm]
        where "\(key) \(kind.rawValue)".utf8.elementsEqual(line) {
            return kind
        }
        return nil
    }

    /// This boot, this processor's model and this device, which is made again with each loading of the
    /// module.
    private func key(_ device: String) -> String? {
        guard let boot = try? FileSystem.contents(of: bootIDPath, limit: 64),
            let identity = FileSystem.identity(device)
        else { return nil }
        return String(decoding: boot.filter { $0 > 0x20 && $0 < 0x7f }, as: UTF8.self)
            + " \(clinux_cpuid(1, 0).eax) \(identity)"
    }
}

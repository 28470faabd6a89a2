// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Linux

/// Remembers what KVM is on this host until it boots again, or until its module is loaded anew.
package struct HostMemo: Hashable, Sendable {
    private let file: PrivateFile
    private let bootIDPath: String

    /// - Parameters:
    ///   - directory: This user's own; made if its parent is there.
    ///   - bootIDPath: A file that says something else after each boot.
    package init(
        directory: String, bootIDPath: String = "/proc/sys/kernel/random/boot_id"
    ) {
        file = PrivateFile(directory: directory, name: "kvm-kind")
        self.bootIDPath = bootIDPath
    }

    /// In the directory that the system keeps for this user while it runs, else among the user's
    /// caches; nil if there is neither.
    package static var usual: HostMemo? {
        if let directory = CurrentProcess.environment("XDG_RUNTIME_DIR") {
            return HostMemo(directory: directory + "/swiftlet")
        }
        if CurrentProcess.isRoot { return HostMemo(directory: "/run/swiftlet") }
        return CurrentProcess.environment("HOME").map {
            HostMemo(directory: $0 + "/.cache/swiftlet")
        }
    }

    /// What was kept; nil if nothing was, or under other circumstances, or not by us.
    func recall(device: String) -> EngineKind? {
        guard let bytes = file.read(limit: 256), let key = key(device) else { return nil }
        return [.hardware, .nested, .pvm].first { Array(line(key, $0).utf8) == bytes }
    }

    /// Keeps it, if that can be done.
    func keep(_ kind: EngineKind, device: String) {
        guard let key = key(device) else { return }
        file.write(Array(line(key, kind).utf8))
    }

    private func line(_ key: String, _ kind: EngineKind) -> String { "\(key) \(kind.rawValue)\n" }

    /// This boot and this device, which is made again with each loading of the module.
    private func key(_ device: String) -> String? {
        guard let boot = try? FileSystem.contents(of: bootIDPath, limit: 64),
            let identity = FileSystem.identity(device)
        else { return nil }
        return String(decoding: boot.filter { $0 > 0x20 && $0 < 0x7f }, as: UTF8.self) + " "
            + identity
    }
}

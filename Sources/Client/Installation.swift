// SPDX-License-Identifier: Apache-2.0
import Linux

/// Where the files are that every machine needs.
public enum Installation {
    /// The monitor's program: `SWIFTLET_VMM`, or `swiftlet-vmm` beside this program.
    public static func monitor() throws(ClientError) -> String {
        if let path = CurrentProcess.environment("SWIFTLET_VMM") {
            if let error = FileSystem.executeError(path) {
                throw ClientError(
                    .notInstalled, "the monitor SWIFTLET_VMM=\(path) cannot be run: \(error)")
            }
            return path
        }
        let path = (programDirectory ?? ".") + "/swiftlet-vmm"
        if let error = FileSystem.executeError(path) {
            throw ClientError(
                .notInstalled,
                "the monitor \(path) cannot be run: \(error); run 'make build' or set SWIFTLET_VMM")
        }
        return path
    }

    /// The guest kernel: `SWIFTLET_KERNEL`, or the first `vmlinux` that is found.
    public static func kernel() throws(ClientError) -> String {
        try file("vmlinux", "guest kernel", variable: "SWIFTLET_KERNEL", option: "--kernel")
    }

    /// The initramfs with the agent: `SWIFTLET_INITRD`, or the first `initramfs.cpio` that is found.
    public static func initrd() throws(ClientError) -> String {
        try file("initramfs.cpio", "initramfs", variable: "SWIFTLET_INITRD", option: "--initrd")
    }

    /// What of it is not there, a sentence each.
    package static var missing: [String] {
        var missing: [String] = []
        do throws(ClientError) { _ = try monitor() } catch { missing.append(error.message) }
        do throws(ClientError) { _ = try kernel() } catch { missing.append(error.message) }
        do throws(ClientError) { _ = try initrd() } catch { missing.append(error.message) }
        return missing
    }

    /// Directory of this program's file, links followed.
    private static var programDirectory: String? {
        guard let path = CurrentProcess.executablePath, let slash = path.lastIndex(of: "/") else {
            return nil
        }
        return String(path[..<slash])
    }

    /// Where the guest's files are looked for, first come, first served.
    private static var directories: [String] {
        var directories: [String] = []
        if let program = programDirectory {
            directories += [program + "/guest", program + "/../share/swiftlet"]
        }
        if let cache = CurrentProcess.environment("XDG_CACHE_HOME") {
            directories.append(cache + "/swiftlet")
        } else if let home = CurrentProcess.environment("HOME") {
            directories.append(home + "/.cache/swiftlet")
        }
        return directories
    }

    private static func file(
        _ name: String, _ what: String, variable: String, option: String
    ) throws(ClientError) -> String {
        if let path = CurrentProcess.environment(variable) {
            if let error = FileSystem.readError(path) {
                throw ClientError(
                    .notInstalled, "the \(what) \(variable)=\(path) cannot be read: \(error)")
            }
            return path
        }
        let candidates = directories.map { "\($0)/\(name)" }
        for path in candidates where FileSystem.readError(path) == nil { return path }
        throw ClientError(
            .notInstalled,
            "no \(what) found: run 'make kernel', or give \(option) or \(variable) (looked at "
                + candidates.joined(separator: ", ") + ")")
    }
}

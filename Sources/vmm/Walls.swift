// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// What keeps a guest that has taken over the monitor from the rest of the host.
///
/// From the outside to the inside: no environment and no descriptors but the known, no new
/// privileges, no files but those given, no core file, then for each thread no capabilities and the
/// system calls of its role.
struct Walls: Sendable {
    /// A wall that cannot be put up, so that there must be no machine.
    struct Failure: Error {
        let message: String
    }

    /// Nil: the threads are not bound.
    private let filters: [ThreadRole: SeccompFilter]?

    init(_ seccomp: MonitorArguments.Seccomp) throws(Failure) {
        switch seccomp {
        case .off: filters = nil
        case .builtIn:
            filters = [
                .vcpu: SeccompFilter(instructions: SeccompFilters.vcpu),
                .loop: SeccompFilter(instructions: SeccompFilters.loop),
                .worker: SeccompFilter(instructions: SeccompFilters.worker),
            ]
        case .file(let path): filters = try Self.compile(path)
        }
    }

    private static func compile(_ path: String) throws(Failure) -> [ThreadRole: SeccompFilter] {
        guard let text = HostFiles().text(path) else {
            throw Failure(message: "seccomp filter \(path) cannot be read")
        }
        do throws(SeccompPolicyError) {
            var filters: [ThreadRole: SeccompFilter] = [:]
            for (role, policy) in try SeccompPolicy.sections(text) {
                filters[role] = try policy.compiled()
            }
            return filters
        } catch {
            throw Failure(message: "seccomp filter \(path): \(error)")
        }
    }

    /// Leaves behind what the process was started with.
    func enclose(_ config: VMConfig) throws(Failure) {
        Confinement.clearEnvironment()
        do throws(Errno) {
            try Confinement.useOneHeap()
            try Confinement.closeDescriptors(except: Self.descriptors(of: config))
            try Confinement.renouncePrivileges()
        } catch {
            throw Failure(message: "cannot confine the process: \(error)")
        }
    }

    /// Shuts the process in once all its files are open, before it makes a thread.
    func seal(_ config: VMConfig) throws(Failure) {
        do throws(Errno) {
            // Without Landlock the walls are lower, and `swiftlet doctor` says so.
            _ = try Self.files(of: config).restrict()
            try Confinement.hide()
        } catch {
            throw Failure(message: "cannot confine the process: \(error)")
        }
    }

    /// Binds this thread to its role. A thread that cannot be bound ends the process.
    func enter(_ role: ThreadRole) {
        do throws(Errno) {
            try Confinement.dropCapabilities()
            guard let filter = filters?[role] else { return }
            // A terminal that was made raw meanwhile has put handlers of its own in place.
            try SeccompFilter.watchViolations()
            try filter.install(role)
        } catch {
            CurrentProcess.complain(
                "swiftlet-vmm: cannot confine a \(role.rawValue) thread: \(error)\n")
            CurrentProcess.exit(1)
        }
    }

    /// Descriptors that the configuration speaks of, and the standard three.
    private static func descriptors(of config: VMConfig) -> [CInt] {
        let console = config.swiftlet.console
        let numbers = [0, 1, 2, config.swiftlet.report, console?.input, console?.output]
        return numbers.compactMap { $0 } + descriptors(in: config.json)
    }

    /// Those in names like `/dev/fd/5`, of whatever device.
    private static func descriptors(in json: JSON) -> [CInt] {
        switch json.value {
        case .string(let text):
            for folder in ["/proc/self/fd/", "/dev/fd/"] where text.hasPrefix(folder) {
                return CInt(text.dropFirst(folder.count)).map { [$0] } ?? []
            }
            return []
        case .array(let elements): return elements.flatMap { descriptors(in: $0) }
        case .object(let members): return members.flatMap { descriptors(in: $0.value) }
        case .null, .bool, .integer, .real: return []
        }
    }

    /// Files that are reached while the machine runs: none but the sockets of vsock.
    private static func files(of config: VMConfig) -> Landlock {
        var files = Landlock()
        if let path = config.vsock?.path, !path.hasPrefix("@") {
            files.allow(folder(of: path), .makeFiles)
        }
        return files
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// What keeps a guest that has taken over the monitor from the rest of the host.
///
/// From the outside to the inside: no environment and no descriptors but the known, no new
/// privileges, no files but those given, no core file, no capabilities, then for each thread the
/// system calls of its role.
///
/// With an API the machine is made from files that requests name. Until the guest's first
/// instruction the API's thread may open them; then ``seal(_:)`` comes, its capabilities go, and a
/// second filter comes on top of its first.
struct Walls: Sendable {
    /// A wall that cannot be put up, so that there must be no machine.
    struct Failure: Error {
        let message: String
    }

    private let filters: Filters
    /// The socket of the API, if there is one.
    private let socketPath: String?
    /// What else requests may name while the guest runs.
    private let folders: [String]
    /// Where this user keeps what KVM is here: the environment says it, and goes first.
    let memoDirectory = PrivateFile.usualDirectory

    init(_ arguments: MonitorArguments) throws(Failure) {
        socketPath = arguments.socketPath
        folders = arguments.folders
        switch arguments.seccomp {
        case .off: filters = .none
        case .builtIn: filters = .builtIn
        case .file(let path): filters = .given(try Self.compile(path))
        }
    }

    /// What the threads are bound by.
    private enum Filters: Sendable {
        case none
        case builtIn
        case given([ThreadRole: SeccompFilter])

        /// Nil: a thread of this role is not bound.
        subscript(_ role: ThreadRole) -> SeccompFilter? {
            switch self {
            case .none: nil
            case .builtIn: SeccompFilter(instructions: Self.instructions(role))
            case .given(let filters): filters[role]
            }
        }

        private static func instructions(_ role: ThreadRole) -> [UInt64] {
            switch role {
            case .vcpu: SeccompFilters.vcpu
            case .loop: SeccompFilters.loop
            case .device: SeccompFilters.device
            case .worker: SeccompFilters.worker
            case .api: SeccompFilters.api
            case .setup: SeccompFilters.setup
            }
        }
    }

    private static func compile(_ path: String) throws(Failure) -> [ThreadRole: SeccompFilter] {
        guard let text = HostFiles().text(path) else {
            throw Failure(message: "seccomp filter \(path) cannot be read")
        }
        if let what = strange(text) {
            throw Failure(
                message: "seccomp filter \(path): \(what) is for the calls of Firecracker's"
                    + " threads; ours are built in, so leave --seccomp-filter out, or give policies as"
                    + " docs/confinement.md has them")
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

    /// What people give who know Firecracker, instead of policies; nil: it may be policies.
    private static func strange(_ text: String) -> String? {
        let first = text.first { !$0.isWhitespace }
        if first == "{" { return "a filter in Firecracker's JSON" }
        let isBinary = text.unicodeScalars.prefix(4096).contains { scalar in
            scalar == "\u{fffd}" || scalar == "\u{7f}" || scalar.value < 32 && !isSpace(scalar)
        }
        return isBinary
            ? "this is no text; a filter that Firecracker's seccompiler has compiled" : nil
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "\n" || scalar == "\t" || scalar == "\r"
    }

    /// Whether the threads are bound by the policies that are built in.
    var areBuiltIn: Bool { if case .builtIn = filters { true } else { false } }

    // MARK: The process

    /// Leaves behind what the process was started with. First thing.
    ///
    /// - Parameter text: What `config` was read from.
    func enclose(
        _ arguments: MonitorArguments, _ config: VMConfig?, text: JSON?
    ) throws(Failure) {
        Confinement.clearEnvironment()
        do throws(Errno) {
            // Requests may be long in coming. Without them the machine is made at once, and only a
            // process that is not hidden may say who is who in a user namespace of its own.
            if socketPath != nil { try Confinement.hide() }
            try Confinement.useOneHeap()
            var kept = Self.descriptors(arguments, config)
            // To write a configuration down again costs more than to have read it.
            if let config, let text, Self.namesDescriptor(text) {
                Self.collectDescriptors(in: config.json, &kept)
            }
            try Confinement.closeDescriptors(except: kept)
            try Confinement.renouncePrivileges()
        } catch {
            throw Failure(message: "cannot confine the process: \(error)")
        }
    }

    /// Shuts the process in once all its files are open, before it makes a thread of the machine's.
    ///
    /// - Returns: What is to be said of a wall that this host does not have.
    func seal(_ config: VMConfig) throws(Failure) -> String? {
        do throws(Errno) {
            let hasLandlock = try files(of: config).restrict()
            if socketPath != nil {
                CurrentProcess.divideCode()
            } else {
                try Confinement.hide()
                // All that is left to do is to make threads, which have what their maker has.
                try Confinement.dropCapabilities()
            }
            return hasLandlock
                ? nil
                : "this kernel has no Landlock, which keeps the host's files from the monitor; see"
                    + " 'swiftlet doctor'"
        } catch {
            throw Failure(message: "cannot confine the process: \(error)")
        }
    }

    // MARK: Threads

    /// Lets signals that end the process, and calls that a filter forbids, say so. All threads share
    /// this, so it comes once before the first of them is bound, and again after a terminal was made
    /// raw, which has put handlers of its own in place.
    func watch() throws(Errno) {
        try SeccompFilter.watchEnds()
        if case .none = filters { return }
        try SeccompFilter.watchViolations()
    }

    /// Binds this thread to its role, after ``watch()``. A thread that cannot be bound ends the
    /// process.
    func enter(_ role: ThreadRole) {
        do throws(Errno) {
            let role = role == .loop && socketPath != nil ? .api : role
            // Without an API they are gone. To open the machine's files may need them.
            if socketPath != nil, role != .setup { try Confinement.dropCapabilities() }
            try filters[role]?.install(role)
        } catch {
            CurrentProcess.complain(
                "swiftlet-vmm: cannot confine a \(role.rawValue) thread: \(error)\n")
            CurrentProcess.exit(1)
        }
    }

    /// Binds the thread that only waits for signals: no file at all is in its reach.
    func enterAlone() {
        do throws(Errno) {
            _ = try Landlock().restrict()
        } catch {
            CurrentProcess.complain("swiftlet-vmm: cannot confine a thread: \(error)\n")
            CurrentProcess.exit(1)
        }
        enter(.worker)
    }

    // MARK: What stays in reach

    /// Descriptors that arguments and configuration give by number, and the standard three.
    private static func descriptors(
        _ arguments: MonitorArguments, _ config: VMConfig?
    ) -> [CInt] {
        var kept: [CInt] = [0, 1, 2]
        func keep(_ number: CInt?) { if let number { kept.append(number) } }
        keep(config?.swiftlet.report)
        keep(config?.swiftlet.console?.input)
        keep(config?.swiftlet.console?.output)
        keep(arguments.logger.path.flatMap(descriptor(named:)))
        keep(arguments.metricsPath.flatMap(descriptor(named:)))
        keep(arguments.metadataPath.flatMap(descriptor(named:)))
        return kept
    }

    /// Whether any text in `json` is a name like `/dev/fd/5`.
    private static func namesDescriptor(_ json: JSON) -> Bool {
        switch json.value {
        case .string(let text): descriptor(named: text) != nil
        case .array(let elements): elements.contains { namesDescriptor($0) }
        case .object(let members): members.contains { namesDescriptor($0.value) }
        case .null, .bool, .integer, .real: false
        }
    }

    /// Appends those in names like `/dev/fd/5`, of whatever device.
    private static func collectDescriptors(in json: JSON, _ numbers: inout [CInt]) {
        switch json.value {
        case .string(let text): if let number = descriptor(named: text) { numbers.append(number) }
        case .array(let elements):
            for element in elements { collectDescriptors(in: element, &numbers) }
        case .object(let members):
            for member in members { collectDescriptors(in: member.value, &numbers) }
        case .null, .bool, .integer, .real: break
        }
    }

    private static func descriptor(named path: String) -> CInt? {
        for folder in ["/proc/self/fd/", "/dev/fd/"] where path.hasPrefix(folder) {
            return CInt(path.dropFirst(folder.count))
        }
        return nil
    }

    /// Files that are reached while the machine runs: sockets that go with it and, by requests of
    /// the API, files beside those of its drives.
    private func files(of config: VMConfig) -> Landlock {
        var files = Landlock()
        for path in [config.vsock?.path, socketPath] {
            guard let path, !path.hasPrefix("@") else { continue }
            let folder = Self.folder(of: path)
            // Who may remove one file there may remove all below, and there they are the host's.
            if !Self.isRootOfHost(folder) { files.allow(folder, .removeFile) }
        }
        guard socketPath != nil else { return files }
        for folder in folders { files.allow(folder, [.readFile, .write]) }
        for drive in config.drives {
            let access: Landlock.Access = drive.isReadOnly ? .readFile : [.readFile, .write]
            files.allow(drive.path, access)
            if let folder = Self.shared(drive.path) { files.allow(folder, access) }
        }
        return files
    }

    /// The folder whose files, and what is below, a drive may be given; nil: it stands for itself.
    private static func shared(_ path: String) -> String? {
        let folder = folder(of: path)
        // Devices are not each other's kin, and a host's files are not the drive's in its root.
        if folder.hasPrefix("/dev/") || FileSystem.isSame(folder, "/dev") { return nil }
        return isRootOfHost(folder) ? nil : folder
    }

    /// In a jail, where no /proc is, all files in the root are the machine's.
    private static func isRootOfHost(_ folder: String) -> Bool {
        FileSystem.isSame(folder, "/") && FileSystem.exists("/proc/self")
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

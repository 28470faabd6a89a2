// SPDX-License-Identifier: Apache-2.0

/// The command line of `swiftlet-jailer`, which takes the flags of Firecracker's jailer.
package struct JailerArguments: Hashable, Sendable {
    package enum Request: Hashable, Sendable {
        case run, help, version
        /// Make so many copies of the program for later starts.
        case spares(Int)
    }

    /// Why a command line is refused, in the words of Firecracker's jailer.
    package struct Failure: Error, Hashable, CustomStringConvertible {
        package let description: String
    }

    /// A file of the control group and its value.
    package struct CgroupProperty: Hashable, Sendable {
        package let file: String
        package let value: String
    }

    package enum Resource: String, CaseIterable, Hashable, Sendable {
        /// Largest file in bytes.
        case fileSize = "fsize"
        /// Number of descriptors.
        case openFiles = "no-file"
    }

    /// Most copies that are kept for later starts.
    package static var spareLimit: Int { 64 }
    /// Number of descriptors unless told otherwise.
    package static var openFiles: UInt64 { 2048 }

    package var request = Request.run
    package private(set) var identifier = ""
    /// The program that is jailed.
    package private(set) var executable = ""
    package private(set) var user: UInt32 = 0
    package private(set) var group: UInt32 = 0
    package private(set) var baseDirectory = "/srv/jailer"
    package private(set) var networkNamespace: String?
    package private(set) var isDaemon = false
    package private(set) var hasOwnProcesses = false
    package private(set) var cgroupVersion = 1
    package private(set) var cgroupProperties: [CgroupProperty] = []
    /// Names of the groups above the machine's; nil: the one named after the program.
    package private(set) var parentCgroup: [String]?
    package private(set) var limits: [Resource: UInt64] = [.openFiles: Self.openFiles]
    /// What comes after `--`: the program's own arguments.
    package private(set) var rest: [String] = []

    /// Reads the arguments behind the program's name.
    package init(_ arguments: [String]) throws(Failure) {
        let own = arguments.prefix { $0 != "--" }
        rest = Array(arguments.dropFirst(own.count + 1))
        if own.contains("--help") || own.contains("-h") {
            request = .help
        } else if own.contains("--version") {
            request = .version
        } else {
            try take(try Words(own))
        }
    }

    private mutating func take(_ words: Words) throws(Failure) {
        let required = words["spares"] == nil ? ["exec-file", "gid", "id", "uid"] : ["exec-file"]
        for name in required where words.values[name] == nil {
            throw Failure(parsing: "Argument '\(name)' required, but not found.")
        }
        if let text = words["spares"] {
            guard let count = Int(text), (1...Self.spareLimit).contains(count) else {
                throw Failure(
                    "Invalid number of spares: \(Self.shown(text)); it is 1 to \(Self.spareLimit)")
            }
            request = .spares(count)
            executable = words["exec-file"] ?? ""
            baseDirectory = words["chroot-base-dir"] ?? baseDirectory
            return
        }
        identifier = try Self.checked(identifier: words["id"] ?? "")
        executable = words["exec-file"] ?? ""
        baseDirectory = words["chroot-base-dir"] ?? baseDirectory
        user = try Self.number(words["uid"] ?? "", "uid")
        group = try Self.number(words["gid"] ?? "", "gid")
        networkNamespace = words["netns"]
        isDaemon = words.values["daemonize"] != nil
        hasOwnProcesses = words.values["new-pid-ns"] != nil
        parentCgroup = try words["parent-cgroup"].map { path throws(Failure) in
            try Self.names(path)
        }
        if let version = words["cgroup-version"] {
            guard version == "1" || version == "2" else {
                throw Failure("\(Self.shown(version)) is an invalid cgroup version specifier")
            }
            cgroupVersion = version == "1" ? 1 : 2
        }
        for text in words.values["cgroup"] ?? [] {
            cgroupProperties.append(try Self.property(text))
        }
        for text in words.values["resource-limit"] ?? [] {
            let (resource, value) = try Self.limit(text)
            limits[resource] = value
        }
    }

    // MARK: Values

    private static func checked(identifier: String) throws(Failure) -> String {
        let length = identifier.utf8.count
        guard (1...64).contains(length) else {
            throw Failure(
                "Invalid instance ID: Invalid len (\(length));  the length must be between 1 and 64"
            )
        }
        for (position, character) in identifier.unicodeScalars.enumerated() {
            let isAllowed = character.isASCII && character.properties.isAlphanumeric
            guard isAllowed || character == "-" else {
                let text = shown(String(character))
                throw Failure("Invalid instance ID: Invalid char (\(text)) at position \(position)")
            }
        }
        return identifier
    }

    /// The largest number means "leave it as it is" to the kernel, and is nobody's.
    private static func number(_ text: String, _ name: String) throws(Failure) -> UInt32 {
        guard let number = UInt32(text), number != .max else {
            throw Failure("Invalid \(name): \(shown(text))")
        }
        return number
    }

    private static func names(_ path: String) throws(Failure) -> [String] {
        let names = path.split(separator: "/").map(String.init)
        guard !path.hasPrefix("/"), !names.contains("."), !names.contains("..") else {
            throw Failure(
                "Parent cgroup path is invalid. Path should not be absolute or contain '..' or '.'")
        }
        return names
    }

    private static func property(_ text: String) throws(Failure) -> CgroupProperty {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex,
            text.index(after: equals) < text.endIndex
        else { throw Failure("Invalid format for cgroups: \(shown(text))") }
        let file = String(text[..<equals])
        guard !file.contains("/"), file.dropFirst().contains("."), !file.hasPrefix(".") else {
            throw Failure("Cgroup invalid file: \(shown(file))")
        }
        return CgroupProperty(file: file, value: String(text[text.index(after: equals)...]))
    }

    private static func limit(_ text: String) throws(Failure) -> (Resource, UInt64) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw Failure("Invalid format for resources limits: \(shown(text))")
        }
        guard let value = UInt64(parts[1]) else {
            throw Failure(
                "Invalid limit value for resource: \(shown(String(parts[1]))): it is a whole number"
            )
        }
        guard let resource = Resource(rawValue: String(parts[0])) else {
            throw Failure("Invalid resource argument: \(shown(String(parts[0])))")
        }
        return (resource, value)
    }

    private static func shown(_ text: String) -> String { JSONError.printable(text) }
}

extension Unicode.Scalar.Properties {
    fileprivate var isAlphanumeric: Bool { isAlphabetic || numericType != nil }
}

extension JailerArguments.Failure {
    fileprivate init(_ description: String) { self.init(description: description) }

    fileprivate init(parsing text: String) {
        self.init(description: "Failed to parse arguments: " + text)
    }
}

extension JailerArguments {
    /// The command line by names of flags.
    private struct Words {
        private static let flags: Set<String> = ["daemonize", "new-pid-ns"]
        private static let single: Set<String> = [
            "id", "exec-file", "uid", "gid", "chroot-base-dir", "netns", "cgroup-version",
            "parent-cgroup", "spares",
        ]
        private static let repeated: Set<String> = ["cgroup", "resource-limit"]

        /// A flag without a value has an empty list.
        private(set) var values: [String: [String]] = [:]

        init(_ words: ArraySlice<String>) throws(Failure) {
            var rest = words
            while let word = rest.popFirst() {
                let name = word.hasPrefix("--") ? String(word.dropFirst(2)) : ""
                guard Self.flags.union(Self.single).union(Self.repeated).contains(name) else {
                    let text = shown(name.isEmpty ? word : name)
                    throw Failure(
                        parsing: "Found argument '\(text)' which wasn't expected, or isn't valid in"
                            + " this context.")
                }
                guard Self.repeated.contains(name) || values[name] == nil else {
                    throw Failure(
                        parsing: "The argument '\(name)' was provided more than once.")
                }
                if Self.flags.contains(name) {
                    values[name] = []
                } else if let value = rest.popFirst(), !value.hasPrefix("--") {
                    values[name, default: []].append(value)
                } else {
                    throw Failure(
                        parsing: "The argument '\(name)' requires a value, but none was supplied.")
                }
            }
        }

        subscript(_ name: String) -> String? { values[name]?.first }
    }

    /// What `--help` prints.
    package static var usage: String {
        """
        swiftlet-jailer v\(Version.current): one microVM in a place of its own

        Usage: swiftlet-jailer --id <id> --exec-file <path> --uid <uid> --gid <gid> [options]
                   [-- <arguments of the jailed program>]

          --id <id>                 name of the machine: 1 to 64 letters, digits and '-'
          --exec-file <path>        the program that is jailed: swiftlet-vmm
          --uid <uid>               the user that it runs as
          --gid <gid>               the group that it runs as
          --chroot-base-dir <path>  where jails are made [default: /srv/jailer]
          --netns <path>            network namespace that it joins
          --daemonize               detach it from terminal and session
          --new-pid-ns              give it a process namespace of its own
          --cgroup <file>=<value>   value of a control group, such as memory.limit_in_bytes=268435456;
                                    may be given more than once
          --cgroup-version <1|2>    interface of the control groups [default: 1]
          --parent-cgroup <path>    where the machine's control group is made
                                    [default: name of the program]
          --resource-limit <resource>=<value>  fsize (bytes of a file) or no-file (number of
                                    descriptors) [default: no-file=2048]; may be given more than once
          --spares <n>              make n (1 to 64) copies of the program, which later starts take, and
                                    exit; needs --exec-file only
          --version                 print the version and exit
          --help, -h                print this and exit

        The program becomes the file of its name in <base>/<program>/<id>/root, which is all that it
        sees. Its process number is in <program>.pid there.

        """
    }
}

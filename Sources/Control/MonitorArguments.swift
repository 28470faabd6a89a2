// SPDX-License-Identifier: Apache-2.0

/// The command line of `swiftlet-vmm`, which takes Firecracker's flags.
package struct MonitorArguments: Hashable, Sendable {
    package enum Request: Hashable, Sendable {
        case run, help, version
    }

    /// Why a command line is refused.
    package struct Failure: Error, Hashable, CustomStringConvertible {
        package let description: String
    }

    package var request = Request.run
    package var configPath: String?
    package var identifier = "anonymous-instance"
    /// Report how long the guest took to its first program.
    package var bootTimer = false
    /// In place of the configuration's engine.
    package var engine: SwiftletConfig.Engine?
    /// How the monitor's threads are bound.
    package var seccomp = Seccomp.builtIn
    private var noAPI = false

    package enum Seccomp: Hashable, Sendable {
        /// By the policies that the monitor was built with.
        case builtIn
        /// By the policies in this file.
        case file(String)
        case off
    }

    /// Firecracker's flags that need what this version does not have.
    private static var refused: Set<String> {
        [
            "--api-sock",
            "--start-time-us", "--start-time-cpu-us", "--parent-cpu-time-us",
            "--metadata", "--log-path", "--level", "--module",
            "--show-level", "--show-log-origin", "--metrics-path",
            "--snapshot-version", "--describe-snapshot",
            "--http-api-max-payload-size", "--mmds-size-limit", "--enable-pci",
        ]
    }

    /// Reads the arguments behind the program's name.
    package init(_ arguments: [String]) throws(Failure) {
        var rest = arguments[...]
        var seen: Set<String> = []
        while let argument = rest.popFirst() {
            guard seen.insert(argument).inserted else {
                throw Failure(
                    description: "The argument '\(argument)' was provided more than once.")
            }
            switch argument {
            case "--help", "-h":
                request = .help
                return
            case "--version", "-V":
                request = .version
                return
            case "--no-api": noAPI = true
            case "--boot-timer": bootTimer = true
            case "--no-seccomp":
                seccomp = .off
                try Self.refuse("--no-seccomp", with: "--seccomp-filter", seen)
            case "--seccomp-filter":
                seccomp = .file(try Self.value(of: argument, &rest))
                try Self.refuse("--seccomp-filter", with: "--no-seccomp", seen)
            case "--config-file": configPath = try Self.value(of: argument, &rest)
            case "--id":
                identifier = try Self.value(of: argument, &rest)
                try checkIdentifier()
            case "--engine": engine = try Self.engine(try Self.value(of: argument, &rest))
            default: throw Self.refusal(of: argument)
            }
        }
        guard noAPI else {
            throw Failure(
                description: "The API socket is not supported by this version. Give '--no-api' and"
                    + " '--config-file <path>'.")
        }
        guard configPath != nil else {
            throw Failure(description: "Argument '--no-api' requires '--config-file'.")
        }
    }

    private static func refuse(
        _ name: String, with other: String, _ seen: Set<String>
    ) throws(Failure) {
        guard !seen.contains(other) else {
            throw Failure(
                description: "Argument '\(name)' cannot be used together with argument"
                    + " '\(other)'.")
        }
    }

    private static func value(
        of name: String, _ rest: inout ArraySlice<String>
    ) throws(Failure) -> String {
        guard let value = rest.popFirst(), !value.hasPrefix("--"), !value.isEmpty else {
            throw Failure(
                description: "The argument '\(name)' requires a value, but none was supplied.")
        }
        return value
    }

    private static func engine(_ text: String) throws(Failure) -> SwiftletConfig.Engine {
        guard let engine = SwiftletConfig.Engine(rawValue: text) else {
            throw Failure(
                description: "The engine '\(JSONError.printable(text))' is not known; it is auto,"
                    + " kvm or soft.")
        }
        return engine
    }

    private func checkIdentifier() throws(Failure) {
        let allowed = identifier.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard allowed, (1...64).contains(identifier.utf8.count) else {
            throw Failure(
                description: "Invalid instance ID '\(JSONError.printable(identifier))': it has 1 to"
                    + " 64 letters, digits and '-'.")
        }
    }

    private static func refusal(of argument: String) -> Failure {
        let name = JSONError.printable(argument)
        guard refused.contains(argument) else {
            return Failure(
                description: "Found argument '\(name)' which wasn't expected, or isn't valid in"
                    + " this context.")
        }
        return Failure(description: "The argument '\(name)' is not supported by this version.")
    }

    /// What `--help` prints.
    package static var usage: String {
        """
        swiftlet-vmm v\(Version.current): one microVM in one process

        Usage: swiftlet-vmm --no-api --config-file <path> [options]

          --config-file <path>   the machine as JSON, with Firecracker's keys and 'swiftlet'
          --no-api               run without an API socket (needed)
          --id <id>              name of the machine [default: anonymous-instance]
          --engine <engine>      auto, kvm or soft, in place of the configuration's
          --seccomp-filter <path> bind the threads by the policies in this file
          --no-seccomp           do not bind the threads at all
          --boot-timer           say how long the guest took to its first program
          --version, -V          print the version and exit
          --help, -h             print this and exit

        Exit status: 0 the guest ended, 1 it failed, 152 bad configuration, 153 bad arguments;
        with "debug_exit", the value that the guest wrote, modulo 256.

        """
    }
}

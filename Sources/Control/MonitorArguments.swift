// SPDX-License-Identifier: Apache-2.0

/// The command line of `swiftlet-vmm`, which takes Firecracker's flags.
package struct MonitorArguments: Hashable, Sendable {
    package enum Request: Hashable, Sendable {
        case run, help, version
    }

    /// Why a command line is refused.
    package struct Failure: Error, Hashable, CustomStringConvertible {
        package let description: String
        /// It is well-formed, but a value means nothing: a bad configuration.
        package var isConfiguration = false
    }

    /// Most bytes of a request's body, unless told otherwise.
    package static var payloadLimit: Int { 51_200 }
    /// Highest limit that may be given, in bytes.
    private static var highestLimit: UInt64 { 1 << 30 }
    /// Longest ``clientPatience`` that may be given: an hour.
    private static var longestPatience: UInt64 { 3_600_000 }
    /// Seconds between two lines of metrics at most.
    private static var longestInterval: UInt64 { 86_400 }

    package var request = Request.run
    package var configPath: String?
    package var metadataPath: String?
    package var identifier = "anonymous-instance"
    /// Report how long the guest took to its first program.
    package var bootTimer = false
    /// In place of the configuration's engine.
    package var engine: SwiftletConfig.Engine?
    /// The API's socket; nil: there is no API.
    package var socketPath: String? = "/run/firecracker.socket"
    /// Most bytes of a request's body.
    package var payloadLimit = Self.payloadLimit
    /// How long a client of the API may get no further in the middle of a request or of an answer, in
    /// milliseconds; at least 1.
    package var clientPatience: UInt64 = 10_000
    /// Most bytes of the metadata.
    package var metadataLimit = Self.payloadLimit
    package var logger = LoggerConfig()
    package var metricsPath: String?
    /// Seconds between two lines of metrics.
    package var metricsInterval: UInt64 = 60
    /// When and after how much processor time this process began, and what its parent used before
    /// that; all in microseconds, as the jailer says it.
    package var startTime: UInt64?
    package var startCPUTime: UInt64?
    package var parentCPUTime: UInt64?
    /// Folders whose files requests may name while the guest runs, besides those of its drives.
    package var folders: [String] = []
    /// How the monitor's threads are bound.
    package var seccomp = Seccomp.builtIn

    package enum Seccomp: Hashable, Sendable {
        /// By the policies that the monitor was built with.
        case builtIn
        /// By the policies in this file.
        case file(String)
        case off
    }

    /// Firecracker's flags that need what this version does not have.
    private static var refused: Set<String> {
        ["--snapshot-version", "--describe-snapshot", "--enable-pci"]
    }

    /// Reads the arguments behind the program's name.
    package init(_ arguments: [String]) throws(Failure) {
        var words = Words(arguments)
        var hasMetadataLimit = false
        while let argument = try words.next() {
            switch argument {
            case "--help", "-h":
                request = .help
                return
            case "--version", "-V":
                request = .version
                return
            case "--mmds-size-limit": hasMetadataLimit = true
            default: break
            }
            try take(argument, &words)
        }
        if !hasMetadataLimit { metadataLimit = payloadLimit }
        if socketPath == nil, configPath == nil {
            throw Failure(description: "Argument '--no-api' requires '--config-file'.")
        }
    }

    private mutating func take(_ argument: String, _ words: inout Words) throws(Failure) {
        switch argument {
        case "--api-sock":
            let path = try words.value(of: argument)
            // `--no-api` wins, wherever it stands.
            if socketPath != nil { socketPath = path }
        case "--no-api": socketPath = nil
        case "--config-file": configPath = try words.value(of: argument)
        case "--metadata": metadataPath = try words.value(of: argument)
        case "--boot-timer": bootTimer = true
        case "--id":
            identifier = try words.value(of: argument)
            try checkIdentifier()
        case "--engine": engine = try Self.engine(try words.value(of: argument))
        case "--http-api-max-payload-size":
            payloadLimit = Int(try words.number(of: argument, 0...Self.highestLimit))
        case "--http-api-timeout":
            clientPatience = try words.number(of: argument, 1...Self.longestPatience)
        case "--mmds-size-limit":
            metadataLimit = Int(try words.number(of: argument, 0...Self.highestLimit))
        case "--start-time-us": startTime = try words.number(of: argument)
        case "--start-time-cpu-us": startCPUTime = try words.number(of: argument)
        case "--parent-cpu-time-us": parentCPUTime = try words.number(of: argument)
        case "--allow-folder": folders.append(try words.value(of: argument))
        case "--seccomp-filter": try take(.file(try words.value(of: argument)))
        case "--no-seccomp": try take(.off)
        default: try takeTelemetry(argument, &words)
        }
    }

    /// The threads are bound in one way only.
    private mutating func take(_ seccomp: Seccomp) throws(Failure) {
        guard self.seccomp == .builtIn else {
            throw Failure(
                description: "Argument '--no-seccomp' cannot be used together with argument"
                    + " '--seccomp-filter'.")
        }
        self.seccomp = seccomp
    }

    private mutating func takeTelemetry(_ argument: String, _ words: inout Words) throws(Failure) {
        switch argument {
        case "--log-path": logger.path = try words.value(of: argument)
        case "--module": logger.module = try words.value(of: argument)
        case "--show-level": logger.showsLevel = true
        case "--show-log-origin": logger.showsOrigin = true
        case "--metrics-path": metricsPath = try words.value(of: argument)
        case "--metrics-interval":
            metricsInterval = try words.number(of: argument, 1...Self.longestInterval)
        case "--level":
            let text = try words.value(of: argument)
            guard let level = LogLevel(text) else {
                throw Failure(
                    description: "Invalid log level '\(JSONError.printable(text))'; it is Off,"
                        + " Error, Warning, Info, Debug or Trace.", isConfiguration: true)
            }
            logger.level = level
        default: throw Self.refusal(of: argument)
        }
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
}

extension MonitorArguments {
    /// The command line, word by word.
    private struct Words {
        private var rest: ArraySlice<String>
        /// Each once, and no more than there are flags.
        private var seen: [String] = []

        init(_ words: [String]) { rest = words[...] }

        /// The next flag, which must be new.
        mutating func next() throws(Failure) -> String? {
            guard let word = rest.popFirst() else { return nil }
            guard seen.contains(word) else {
                seen.append(word)
                return word
            }
            guard word == "--allow-folder" else {
                throw Failure(
                    description: "The argument '\(JSONError.printable(word))' was provided more"
                        + " than once.")
            }
            return word
        }

        mutating func value(of name: String) throws(Failure) -> String {
            guard let value = rest.popFirst(), !value.hasPrefix("--"), !value.isEmpty else {
                throw Failure(
                    description: "The argument '\(name)' requires a value, but none was supplied.")
            }
            return value
        }

        mutating func number(
            of name: String, _ range: ClosedRange<UInt64> = 0...UInt64.max
        ) throws(Failure) -> UInt64 {
            let text = try value(of: name)
            guard let number = UInt64(text), range.contains(number) else {
                let bounds =
                    range.lowerBound > 0
                    ? "from \(range.lowerBound) to \(range.upperBound)"
                    : "of at most \(range.upperBound)"
                throw Failure(
                    description: "The argument '\(name)' is a whole number \(bounds), not"
                        + " '\(JSONError.printable(text))'.")
            }
            return number
        }
    }

    /// What `--help` prints.
    package static var usage: String {
        """
        swiftlet-vmm v\(Version.current): one microVM in one process

        Usage: swiftlet-vmm [--api-sock <path>] [--config-file <path>] [options]
               swiftlet-vmm --no-api --config-file <path> [options]

          --api-sock <path>      Unix socket of the API [default: /run/firecracker.socket]
          --no-api               run without an API socket
          --config-file <path>   the machine as JSON, with Firecracker's keys and 'swiftlet'
          --metadata <path>      JSON that the guest finds as its metadata
          --id <id>              name of the machine [default: anonymous-instance]
          --engine <engine>      auto, kvm or soft, in place of the configuration's
          --seccomp-filter <path> bind the threads by the policies in this file, which are text
                                 of our own (docs/confinement.md), not Firecracker's filters
          --no-seccomp           do not bind the threads at all
          --allow-folder <path>  API calls may name files in it while the guest runs (repeat for more)
          --boot-timer           say how long the guest took to its first program
          --log-path <path>      file or named pipe for the log [default: standard output]
          --level <level>        Off, Error, Warning, Info, Debug or Trace [default: Info]
          --module <prefix>      log only modules whose name begins so
          --show-level           each line of the log shows its level
          --show-log-origin      each line of the log shows its place in the source
          --metrics-path <path>  file or named pipe for metrics, lines of JSON
          --metrics-interval <seconds> between two lines [default: 60]
          --http-api-max-payload-size <bytes>  of a request's body [default: 51200]
          --mmds-size-limit <bytes>            of the metadata [default: as of a body]
          --http-api-timeout <ms>              of a client that stops in the middle [default: 10000]
          --start-time-us <n>, --start-time-cpu-us <n>, --parent-cpu-time-us <n>
                                 what the jailer says of this process's start
          --version, -V          print the version and exit
          --help, -h             print this and exit

        Exit status; with "debug_exit" also the value that the guest wrote, modulo 256:
            0  the guest ended, or SIGTERM or SIGINT ended the monitor
            1  the guest or the monitor failed
          133  SIGTRAP
          134  SIGABRT, or what would have aborted the monitor
          136  SIGFPE
          148  a thread made a system call that its policy forbids
          149  SIGBUS, or a file mapped as the guest's memory was lost
          150  SIGSEGV
          151  SIGXFSZ: a file became larger than a limit of the host's allows
          152  bad configuration
          153  bad arguments
          154  SIGXCPU: the processor time that a limit of the host's allows is used up
          156  SIGHUP
          157  SIGILL

        """
    }
}

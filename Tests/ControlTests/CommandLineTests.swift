// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct QuantityTests {
    @Test(
        arguments: [
            ("128", 128), ("128M", 128), ("128m", 128), ("128MiB", 128), ("6G", 6144),
            ("6gib", 6144),
            ("64G", 65536), ("32", 32), ("0128", 128),
        ] as [(String, UInt64)])
    func `An amount of memory is read`(_ text: String, _ size: UInt64) throws {
        #expect(try MemorySize(text).mebibytes == size)
    }

    @Test(arguments: [
        "", "M", "G", "128K", "128MB", "1.5G", "-1", "+128", " 128", "128 M", "0x80", "128MM",
        "١٢٨",
    ])
    func `What is no amount of memory is refused with a form that is`(_ text: String) {
        let error = #expect(throws: QuantityError.self) { try MemorySize(text) }
        #expect(error?.description.contains("write 128M") == true)
    }

    @Test(arguments: ["0", "31", "65G", "65537", "18446744073709551615G", "99999999999999999999"])
    func `An amount that no machine has is refused with the range`(_ text: String) {
        let error = #expect(throws: QuantityError.self) { try MemorySize(text) }
        #expect(error?.description.contains("from 32M to 64G") == true)
    }

    @Test(
        arguments: [
            ("10", 10_000_000_000), ("10s", 10_000_000_000), ("500ms", 500_000_000),
            ("1.5m", 90_000_000_000), ("2h", 7_200_000_000_000), ("0.000000001", 1),
            ("8784h", 31_622_400_000_000_000),
        ] as [(String, UInt64)])
    func `A length of time is read`(_ text: String, _ nanoseconds: UInt64) throws {
        #expect(try TimeSpan(text).nanoseconds == nanoseconds)
    }

    @Test(arguments: [
        "", "s", "1.", ".5", "1.2.3", "-1s", "1d", "1 s", "10S", "1e3", "0.0000000001",
        "999999999999s", "1.5ms.",
    ])
    func `What is no length of time is refused with a form that is`(_ text: String) {
        let error = #expect(throws: QuantityError.self) { try TimeSpan(text) }
        #expect(error?.description.contains("write 500ms") == true)
    }

    @Test(arguments: ["0", "0s", "0.0", "8785h", "99999999999"])
    func `A length of time without use is refused with the range`(_ text: String) {
        let error = #expect(throws: QuantityError.self) { try TimeSpan(text) }
        #expect(error?.description.contains("at most a year") == true)
    }
}

@Suite struct MonitorArgumentsTests {
    @Test func `Firecracker's flags are taken`() throws {
        let arguments = try MonitorArguments([
            "--no-api", "--config-file", "/c.json", "--id", "a-1", "--boot-timer", "--engine",
            "soft",
        ])
        #expect(arguments.request == .run)
        #expect(arguments.configPath == "/c.json")
        #expect(arguments.identifier == "a-1")
        #expect(arguments.bootTimer)
        #expect(arguments.engine == .soft)
        #expect(arguments.socketPath == nil)
    }

    @Test func `Flags of the API, the log and the metrics are taken`() throws {
        let arguments = try MonitorArguments([
            "--api-sock", "/s", "--log-path", "/l", "--level", "WARNING", "--show-level",
            "--show-log-origin", "--module", "swiftlet", "--metrics-path", "/m", "--metadata",
            "/d", "--http-api-max-payload-size", "100", "--http-api-timeout", "500",
            "--metrics-interval", "86400", "--start-time-us", "1", "--start-time-cpu-us", "2",
            "--parent-cpu-time-us", "3", "--no-seccomp",
        ])
        #expect(arguments.socketPath == "/s")
        #expect(arguments.logger.path == "/l")
        #expect(arguments.logger.level == .warn)
        #expect(arguments.logger.showsLevel == true)
        #expect(arguments.logger.showsOrigin == true)
        #expect(arguments.logger.module == "swiftlet")
        #expect(arguments.metricsPath == "/m")
        #expect(arguments.metricsInterval == 86_400)
        #expect(arguments.metadataPath == "/d")
        #expect(arguments.payloadLimit == 100)
        #expect(arguments.clientPatience == 500)
        // As large as a body, unless it is given.
        #expect(arguments.metadataLimit == 100)
        #expect(arguments.startTime == 1)
        #expect(arguments.startCPUTime == 2)
        #expect(arguments.parentCPUTime == 3)
        #expect(arguments.seccomp == .off)
    }

    @Test func `Metrics are a line a minute by default`() throws {
        #expect(try MonitorArguments([]).metricsInterval == 60)
    }

    @Test func `The API has a socket of its own by default`() throws {
        #expect(try MonitorArguments([]).socketPath == "/run/firecracker.socket")
        #expect(try MonitorArguments(["--mmds-size-limit", "7"]).metadataLimit == 7)
        #expect(try MonitorArguments(["--mmds-size-limit", "7"]).payloadLimit == 51200)
    }

    @Test(arguments: [
        ("firecracker", "Firecracker", "1.17.0"), ("/srv/x/firecracker", "Firecracker", "1.17.0"),
        ("bin/swiftlet-vmm", "Swiftlet", "0.1.0"), ("", "Swiftlet", "0.1.0"),
    ])
    func `The program's name decides what it calls itself`(
        _ program: String, _ name: String, _ version: String
    ) {
        #expect(Version.product(of: program) == (name, version))
    }

    @Test(
        arguments: [
            (["--help"], .help), (["-h"], .help), (["--version"], .version),
            (["--no-api", "--version"], .version),
        ] as [([String], MonitorArguments.Request)])
    func `Help and version need nothing else`(
        _ words: [String], _ request: MonitorArguments.Request
    ) throws {
        #expect(try MonitorArguments(words).request == request)
    }

    @Test func `The usage names every exit status once`() {
        let named = MonitorArguments.usage.split(separator: "\n")
            .drop { !$0.hasPrefix("Exit status") }
            .compactMap { $0.prefixMatch(of: #/ {2} *([0-9]+)  [A-Za-z]/#).flatMap { Int($0.1) } }
        // All but 155: SIGPIPE is ignored.
        #expect(named == [0, 1, 133, 134, 136] + Array(148...154) + [156, 157])
    }

    @Test(
        arguments: [
            (["--no-api"], "Argument '--no-api' requires '--config-file'."),
            (["--frob"], "Found argument '--frob' which wasn't expected"),
            (["file"], "Found argument 'file' which wasn't expected"),
            (["--config-file"], "The argument '--config-file' requires a value"),
            (["--config-file", "--no-api"], "The argument '--config-file' requires a value"),
            (["--no-api", "--no-api"], "The argument '--no-api' was provided more than once."),
            (["--enable-pci"], "The argument '--enable-pci' is not supported by this version."),
            (["--level", "loud"], "Invalid log level 'loud'"),
            (["--mmds-size-limit", "x"], "The argument '--mmds-size-limit' is a whole number"),
            (
                ["--http-api-timeout", "0"],
                "The argument '--http-api-timeout' is a whole number from 1 to 3600000, not '0'."
            ),
            (
                ["--metrics-interval", "0"],
                "The argument '--metrics-interval' is a whole number from 1 to 86400, not '0'."
            ),
            (
                ["--metrics-interval", "86401"],
                "The argument '--metrics-interval' is a whole number from 1 to 86400, not"
            ),
            (["--start-time-us", "-1"], "The argument '--start-time-us' is a whole number"),
            (
                ["--no-seccomp", "--seccomp-filter", "f"],
                "Argument '--no-seccomp' cannot be used together with argument '--seccomp-filter'."
            ),
            (["--id", "a_b"], "Invalid instance ID 'a_b'"),
            (["--id", String(repeating: "a", count: 65)], "Invalid instance ID"),
            (["--engine", "tcg"], "The engine 'tcg' is not known"),
        ] as [([String], String)])
    func `A wrong command line is refused with the reason`(_ words: [String], _ message: String) {
        let failure = #expect(throws: MonitorArguments.Failure.self) { try MonitorArguments(words) }
        #expect(failure?.description.hasPrefix(message) == true)
    }
}

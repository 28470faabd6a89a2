// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A program that was run to its end, and what it said.
struct Program {
    /// What a shell would call `$?`: 128 and the signal that ended it.
    let status: Int
    let output: Data
    let error: Data
    let seconds: Double

    var outputText: String { String(decoding: output, as: UTF8.self) }
    var errorText: String { String(decoding: error, as: UTF8.self) }

    /// It did not end in time; it was killed.
    struct TooLong: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs `program` (looked up in `PATH`) in the checkout, with `input` and nothing else to read.
    static func run(
        _ program: String, _ arguments: [String], input: Data = Data(),
        environment: [String: String] = [:], seconds: Double = 120
    ) throws -> Program {
        let running = try RunningProgram(
            program, arguments, input: input, environment: environment)
        return try running.end(seconds: seconds)
    }

    /// Runs `bin/swiftlet run` with these arguments.
    static func swiftlet(
        _ arguments: String..., input: Data = Data(), environment: [String: String] = [:],
        seconds: Double = 120
    ) throws -> Program {
        try run(
            try Built.file("bin/swiftlet"), ["run"] + arguments, input: input,
            environment: environment, seconds: seconds)
    }
}

/// A program that runs, until it has ended or this is forgotten.
///
/// Its output goes to files, so that no amount of it can hold it up.
final class RunningProgram {
    private let folder: URL
    private let process = Process()
    private let start = ContinuousClock.now
    private let name: String

    init(
        _ program: String, _ arguments: [String], input: Data = Data(),
        environment: [String: String] = [:]
    ) throws {
        name = ([program] + arguments).joined(separator: " ")
        folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try input.write(to: folder.appending(path: "input"))
        for name in ["output", "error"] { try Data().write(to: folder.appending(path: name)) }

        process.executableURL = URL(filePath: "/usr/bin/env")
        // Threads of the tests have nearly all signals blocked, and a program would inherit that.
        process.arguments = ["--default-signal", program] + arguments
        process.currentDirectoryURL = Checkout.root
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: folder.appending(path: "input"))
        process.standardOutput = try FileHandle(forWritingTo: folder.appending(path: "output"))
        process.standardError = try FileHandle(forWritingTo: folder.appending(path: "error"))
        try process.run()
    }

    deinit {
        if process.isRunning { send(SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    var identifier: Int32 { process.processIdentifier }
    var output: Data { (try? Data(contentsOf: folder.appending(path: "output"))) ?? Data() }
    var error: Data { (try? Data(contentsOf: folder.appending(path: "error"))) ?? Data() }
    var outputText: String { String(decoding: output, as: UTF8.self) }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits until `isTrue`; false if that took more than `seconds`.
    static func wait(seconds: Double, until isTrue: () -> Bool) -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !isTrue() {
            guard ContinuousClock.now < deadline else { return false }
            usleep(5000)
        }
        return true
    }

    /// Waits for its end.
    func end(seconds: Double = 120) throws -> Program {
        guard Self.wait(seconds: seconds, until: { !process.isRunning }) else {
            send(SIGKILL)
            throw Program.TooLong(
                description: """
                    \(name.prefix(200)) had not ended after \(seconds) s
                    output: \(outputText.suffix(2000))
                    error: \(String(decoding: error, as: UTF8.self).suffix(2000))
                    """)
        }
        let wasSignalled = process.terminationReason == .uncaughtSignal
        let took = (ContinuousClock.now - start) / .seconds(1)
        return Program(
            status: Int(process.terminationStatus) + (wasSignalled ? 128 : 0), output: output,
            error: error, seconds: took)
    }
}

/// What `make build guest` leaves in `bin/`, which `make test` does first.
enum Built {
    static func file(_ path: String) throws -> String {
        let absolute = Checkout.path(path)
        try #require(
            FileManager.default.isReadableFile(atPath: absolute),
            "\(path) is not there: run 'make build guest', or all of it by 'make test'")
        return absolute
    }
}

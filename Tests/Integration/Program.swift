// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

import struct Linux.ChildProcess
import struct Linux.PollSet
import enum Linux.ProcessEnd
import struct Linux.Signal

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
/// Its output goes to files, so that no amount of it can hold it up. It is not Foundation's
/// `Process`, which sees the end of one child only after those that were started meanwhile.
final class RunningProgram {
    private let folder: URL
    private var process: ChildProcess?
    private var result: ProcessEnd?
    private let start = ContinuousClock.now
    private let name: String
    let identifier: Int32

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
        let files = [
            try FileHandle(forReadingFrom: folder.appending(path: "input")),
            try FileHandle(forWritingTo: folder.appending(path: "output")),
            try FileHandle(forWritingTo: folder.appending(path: "error")),
        ]
        let child = try Self.start(program, arguments, environment, files)
        identifier = child.identifier
        process = consume child
    }

    deinit {
        if result == nil {
            process?.send(.kill)
            process?.forget()
        }
        try? FileManager.default.removeItem(at: folder)
    }

    /// Starts `program` (looked up in `PATH`) in the checkout, with `files` as its descriptors.
    static func start(
        _ program: String, _ arguments: [String], _ environment: [String: String],
        _ files: [FileHandle]
    ) throws -> ChildProcess {
        let all = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        defer { withExtendedLifetime(files) {} }
        return try ChildProcess(
            path: "/usr/bin/env",
            arguments: ["--chdir=\(Checkout.root.path)", program] + arguments,
            environment: all.map { "\($0)=\($1)" }, descriptors: files.map(\.fileDescriptor))
    }

    var output: Data { (try? Data(contentsOf: folder.appending(path: "output"))) ?? Data() }
    var error: Data { (try? Data(contentsOf: folder.appending(path: "error"))) ?? Data() }
    var outputText: String { String(decoding: output, as: UTF8.self) }

    func send(_ signal: Int32) { process?.send(Signal(rawValue: signal)) }

    /// Waits until `isTrue`; false if that took more than `seconds`.
    static func wait(seconds: Double, until isTrue: () throws -> Bool) rethrows -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try !isTrue() {
            guard ContinuousClock.now < deadline else { return false }
            usleep(5000)
        }
        return true
    }

    /// How it ended, if it does so within `seconds`.
    func result(within seconds: Double) -> ProcessEnd? {
        guard let watch = process?.descriptor.rawValue else { return result }
        var set = PollSet()
        set.add(watch, .readable)
        set.wait(milliseconds: Int32(seconds * 1000))
        guard set.isReadable(watch), let child = process.take() else { return nil }
        result = child.reap()
        return result
    }

    /// Waits for its end.
    func end(seconds: Double = 120) throws -> Program {
        guard let result = result(within: seconds) else {
            send(SIGKILL)
            throw Program.TooLong(
                description: """
                    \(name.prefix(200)) had not ended after \(seconds) s
                    output: \(outputText.suffix(2000))
                    error: \(String(decoding: error, as: UTF8.self).suffix(2000))
                    """)
        }
        let took = (ContinuousClock.now - start) / .seconds(1)
        return Program(status: result.shellStatus, output: output, error: error, seconds: took)
    }
}

extension ProcessEnd {
    /// What a shell calls `$?`.
    var shellStatus: Int {
        switch self {
        case .exited(let status): Int(status)
        case .signalled(let signal): 128 + Int(signal)
        }
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

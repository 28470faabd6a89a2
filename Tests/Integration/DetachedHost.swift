// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A place for detached machines of a test's own. Whatever is left of them goes with this value.
final class DetachedHost {
    let folder: URL
    private let program: String

    /// With its state in `folder`; nil: one of its own.
    init(in folder: String? = nil) throws {
        program = try Built.file("bin/swiftlet")
        self.folder =
            folder.map { URL(filePath: $0) }
            ?? FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-detached-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: self.folder, withIntermediateDirectories: true)
    }

    deinit {
        for process in processes { kill(process, SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    var environment: [String: String] {
        ["XDG_STATE_HOME": folder.path, "SWIFTLET_TEST_HOST": folder.path]
    }

    /// Runs a verb to its end.
    @discardableResult
    func swiftlet(
        _ arguments: String..., input: String = "", seconds: Double = 120
    ) throws -> Program {
        try Program.run(
            program, arguments, input: Data(input.utf8), environment: environment, seconds: seconds)
    }

    /// Starts a verb.
    func start(_ arguments: [String]) throws -> RunningProgram {
        try RunningProgram(program, arguments, environment: environment)
    }

    /// Runs a verb that has to succeed; what it printed.
    @discardableResult
    func done(
        _ arguments: String..., at location: SourceLocation = #_sourceLocation
    ) throws -> String {
        let result = try Program.run(program, arguments, environment: environment)
        #expect(
            result.status == 0, "\(arguments): \(result.errorText)", sourceLocation: location)
        #expect(result.errorText == "", sourceLocation: location)
        return result.outputText
    }

    /// What a verb printed as JSON.
    func json(_ arguments: [String]) throws -> [[String: Any]] {
        let result = try Program.run(program, arguments, environment: environment)
        try #require(result.status == 0, "\(result.errorText)")
        return try #require(
            try JSONSerialization.jsonObject(with: result.output) as? [[String: Any]])
    }

    /// Names of what is kept of machines.
    var remains: [String] {
        let path = folder.appending(path: "swiftlet/machines").path
        return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
            .filter { $0 != "lock" }
    }

    /// Processes of `swiftlet` that were started for this host, processes and others.
    var processes: [Int32] {
        let mark = Data("SWIFTLET_TEST_HOST=\(folder.path)\0".utf8)
        return HostProcess.all.filter { process in
            guard HostProcess.isAlive(process),
                let environment = FileManager.default.contents(atPath: "/proc/\(process)/environ")
            else { return false }
            return environment.range(of: mark) != nil
        }
    }
}

/// What `/proc` says of processes.
enum HostProcess {
    static var all: [Int32] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [])
            .compactMap { Int32($0) }
    }

    /// Whether it runs; one that waits to be reaped does not.
    static func isAlive(_ process: Int32) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let state = status.split(separator: ")").last?.split(separator: " ").first
        else { return false }
        return state != "Z" && state != "X"
    }

    static func children(of process: Int32) -> [Int32] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task"))
        return (tasks ?? []).flatMap { task -> [Int32] in
            let list = try? String(
                contentsOfFile: "/proc/\(process)/task/\(task)/children", encoding: .utf8)
            return (list ?? "").split(separator: " ").compactMap { Int32($0) }
        }
    }
}

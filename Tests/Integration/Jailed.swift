// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A folder for jails, and the program that is put into them.
final class JailFolder {
    let base: URL
    /// A file that is called as Firecracker's program is.
    let program: String
    let id = "m-" + UUID().uuidString.prefix(8).lowercased()
    /// Nobody's user and group.
    static let user = 41234
    static let group = 41235

    /// Why most of these tests need root.
    static let isRoot = geteuid() == 0
    static let reason: Comment =
        "needs root: the jailer makes devices and mounts, and becomes another user"

    /// - Parameters:
    ///   - program: The program to be jailed; nil: the monitor.
    ///   - isCopy: No other test has the same file under another name.
    init(program: String? = nil, isCopy: Bool = false) throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-jails-\(UUID().uuidString.prefix(8))")
        base = folder.appending(path: "jails")
        try FileManager.default.createDirectory(at: base, withIntermediateDirectories: true)
        self.program = folder.appending(path: "firecracker").path
        let source = try program ?? Built.file("bin/swiftlet-vmm")
        // A second name of the file, where that can be, is as good and quicker.
        if isCopy || Posix.link(source, self.program) != 0 {
            try FileManager.default.copyItem(atPath: source, toPath: self.program)
        }
    }

    deinit {
        try? FileManager.default.removeItem(at: base.deletingLastPathComponent())
    }

    /// What the jailed program sees as `/`.
    var root: URL { base.appending(path: "firecracker/\(id)/root") }

    func path(_ name: String) -> String { root.appending(path: name).path }

    /// Makes the program's directory before the jailer does.
    func prepare() throws {
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    }

    /// The jailer's arguments.
    func arguments(_ options: [String] = [], _ rest: [String] = []) -> [String] {
        [
            "--id", id, "--exec-file", program, "--uid", "\(Self.user)", "--gid",
            "\(Self.group)", "--chroot-base-dir", base.path,
        ] + options + (rest.isEmpty ? [] : ["--"] + rest)
    }

    /// Runs the jailer until the program has ended.
    func run(_ options: [String] = [], _ rest: [String] = []) throws -> Program {
        try Program.run(
            try Built.file("bin/swiftlet-jailer"), arguments(options, rest), seconds: 60)
    }

    /// All that is below the base directory, links not followed.
    func remains() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: base.path).sorted()
    }
}

/// A jailed monitor, until this is forgotten.
final class JailedMonitor {
    let folder: JailFolder
    /// What `<program>.pid` says.
    let identifier: Int32
    private let jailer: RunningProgram

    init(_ folder: JailFolder, _ options: [String] = [], _ rest: [String] = []) throws {
        self.folder = folder
        jailer = try RunningProgram(
            try Built.file("bin/swiftlet-jailer"),
            folder.arguments(options, ["--engine", "soft"] + rest))
        let socket = folder.path("run/firecracker.socket")
        let jailer = jailer
        // The file is there a moment before anybody listens.
        let listens = RunningProgram.wait(seconds: 60) { (try? APIClient(socket)) != nil }
        try #require(listens, "\(String(decoding: jailer.error, as: UTF8.self))")
        let text = try String(contentsOfFile: folder.path("firecracker.pid"), encoding: .utf8)
        identifier = try #require(Int32(text))
    }

    deinit {
        send(SIGKILL)
        _ = RunningProgram.wait(seconds: 10) { !isRunning }
    }

    /// It has not ended, and its number is nobody else's yet.
    var isRunning: Bool {
        let stat = (try? text("stat")) ?? ""
        return stat.hasPrefix("\(identifier) (firecracker) ") && !stat.contains(") Z ")
    }

    func send(_ signal: Int32) {
        if isRunning { kill(identifier, signal) }
    }

    func client() throws -> APIClient { try APIClient(folder.path("run/firecracker.socket")) }

    /// A file of `/proc/<pid>`.
    func text(_ name: String) throws -> String {
        try String(contentsOfFile: "/proc/\(identifier)/\(name)", encoding: .utf8)
    }

    /// A field of `status`, of the process or of one of its threads.
    func status(_ field: String, of task: String? = nil) throws -> String {
        let lines = try text(task.map { "task/\($0)/status" } ?? "status").split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix(field + ":") })
        return line.dropFirst(field.count + 1).split(whereSeparator: \.isWhitespace)
            .joined(separator: " ")
    }

    /// Numbers of the threads that are the program's own.
    func tasks() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(identifier)/task").filter {
            // Linux 6.13 and later have one for KVM's huge pages.
            try !text("task/\($0)/comm").hasPrefix("kvm-")
        }
    }

    func link(_ name: String) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(
            atPath: "/proc/\(identifier)/\(name)")
    }
}

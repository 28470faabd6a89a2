// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// SIGKILL for any process at any step: the next look and `rm` leave nothing.
@Suite(.serialized) struct CrashTests {
    /// Numbers that look random and come again with the same seed.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var value = state
            value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
            return value ^ value >> 31
        }
    }

    private static let run = ["run", "-d", "--engine", "soft", "sleep", "600"]

    /// Removes all that is there, and looks for what should not be there any more.
    private func expectClean(
        _ host: DetachedHost, _ monitors: Set<Int32>, _ step: String
    ) throws {
        // A supervisor that has lost its maker needs a moment to see it.
        _ = RunningProgram.wait(seconds: 30) {
            guard let ids = try? host.swiftlet("ps", "--all", "--quiet").outputText else {
                return false
            }
            for id in ids.split(separator: "\n") { _ = try? host.swiftlet("rm", "-f", String(id)) }
            return host.remains.isEmpty && host.processes.isEmpty
        }
        #expect(host.remains == [], "\(step)")
        #expect(host.processes == [], "\(step)")
        let isOver = RunningProgram.wait(seconds: 10) {
            !monitors.contains(where: HostProcess.isAlive)
        }
        #expect(isOver, "a monitor outlived \(step)")
    }

    @Test func `The maker is killed at any moment`() throws {
        let host = try DetachedHost()
        var dice = Dice(state: 1)
        for _ in 0..<10 {
            let delay = UInt32.random(in: 0..<2_500_000, using: &dice)
            let maker = try host.start(Self.run)
            usleep(delay)
            let monitors = Set(host.processes.flatMap(HostProcess.children))
            maker.send(SIGKILL)
            _ = try maker.end(seconds: 30)
            try expectClean(host, monitors, "a maker that was killed after \(delay) µs")
        }
    }

    @Test func `A supervisor or a monitor is killed at any moment`() throws {
        let host = try DetachedHost()
        var dice = Dice(state: 2)
        for round in 0..<10 {
            let delay = UInt32.random(in: 0..<2_500_000, using: &dice)
            let maker = try host.start(Self.run)
            usleep(delay)
            let supervisors = host.processes.filter { $0 != maker.identifier }
            let monitors = Set(supervisors.flatMap(HostProcess.children))
            let victims = round.isMultiple(of: 2) ? supervisors : Array(monitors)
            for victim in victims { kill(victim, SIGKILL) }
            let made = try maker.end(seconds: 60)
            #expect(made.status == 0 || made.status == 125)
            try expectClean(host, monitors, "processes \(victims) killed after \(delay) µs")
        }
    }

    /// As a person, a debugger or a control group's freezer does.
    @Test func `A monitor that is stopped goes on`() throws {
        let host = try DetachedHost()
        try host.done("run", "-d", "--name", "web", "--engine", "soft", "sleep", "600")
        let monitors = host.processes.flatMap(HostProcess.children)
        #expect(monitors.count == 1)

        for _ in 0..<3 {
            for monitor in monitors { kill(monitor, SIGSTOP) }
            usleep(100_000)
            for monitor in monitors { kill(monitor, SIGCONT) }
            usleep(100_000)
        }

        try host.done("exec", "web", "true")
        try expectClean(host, Set(monitors), "a monitor that was stopped")
    }

    @Test func `A machine whose supervisor is killed counts as killed`() throws {
        let host = try DetachedHost()
        try host.done("run", "-d", "--name", "web", "--engine", "soft", "sleep", "600")
        let supervisors = host.processes
        let monitors = supervisors.flatMap(HostProcess.children)
        #expect(supervisors.count == 1)
        #expect(monitors.count == 1)
        let waiter = try host.start(["wait", "web"])
        for process in supervisors { kill(process, SIGKILL) }
        #expect(try waiter.end(seconds: 30).status == 0)
        #expect(waiter.outputText == "137\n")
        #expect(try host.done("ps", "-a").contains("ended (137) "))
        #expect(RunningProgram.wait(seconds: 10) { !monitors.contains(where: HostProcess.isAlive) })
        try host.done("rm", "web")
    }

    @Test func `A machine whose monitor is killed has failed, and says so`() throws {
        let host = try DetachedHost()
        try host.done("run", "-d", "--name", "web", "--engine", "soft", "sleep", "600")
        for process in host.processes.flatMap(HostProcess.children) { kill(process, SIGKILL) }
        #expect(try host.done("wait", "web") == "125\n")
        let inspected = try host.json(["inspect", "--json", "web"])
        #expect(
            (inspected[0]["message"] as? String)?
                .hasPrefix("the monitor was killed by signal 9") == true)
        try host.done("rm", "web")
    }

    @Test func `Any verb is killed at any moment`() throws {
        let host = try DetachedHost()
        var dice = Dice(state: 3)
        let verbs = [
            ["ps", "-a"], ["inspect", "web"], ["logs", "-f", "web"], ["stop", "web"],
            ["kill", "web"], ["rm", "-f", "web"], ["pause", "web"], ["resume", "web"],
            ["wait", "web"], ["stats", "web"],
        ]
        for verb in verbs {
            try host.done("run", "-d", "--name", "web", "--engine", "soft", "sleep", "600")
            let monitors = Set(host.processes.flatMap(HostProcess.children))
            let running = try host.start(verb)
            usleep(UInt32.random(in: 0..<100_000, using: &dice))
            running.send(SIGKILL)
            _ = try running.end(seconds: 30)
            try expectClean(host, monitors, "a killed '\(verb.joined(separator: " "))'")
        }
    }

    @Test func `Verbs at the same time get along`() throws {
        let host = try DetachedHost()
        let makers = try (0..<3).map { try host.start(Self.run + ["\($0)"]) }
        let lookers = try (0..<6).map { _ in try host.start(["ps", "-a"]) }
        for looker in lookers { #expect(try looker.end().status == 0) }
        for maker in makers { #expect(try maker.end().status == 0) }
        let ids = try host.done("ps", "-q").split(separator: "\n").map(String.init)
        #expect(ids.count == 3)
        // All are asked to remove all: each machine is removed by one of them.
        let removers = try (0..<3).map { _ in try host.start(["rm", "-f"] + ids) }
        let removed = try removers.map { try $0.end().outputText.split(separator: "\n").count }
        #expect(removed.reduce(0, +) == 3)
        #expect(host.remains == [])
    }
}

/// What the host refuses: each has one sentence.
@Suite struct StateDirectoryTests {
    private func refusal(
        _ folder: String, _ arguments: String...
    ) throws -> (status: Int, error: String) {
        let refused = try Program.run(
            try Built.file("bin/swiftlet"), arguments, environment: ["XDG_STATE_HOME": folder])
        return (refused.status, refused.errorText)
    }

    @Test func `A state directory that cannot be made`() throws {
        let refused = try refusal("/proc/nowhere", "run", "-d", "--engine", "soft", "true")
        #expect(refused.status == 125)
        #expect(
            refused.error == "swiftlet: the state directory /proc/nowhere/swiftlet/machines cannot"
                + " be used (XDG_STATE_HOME): No such file or directory\n")
    }

    @Test func `A file in the place of the state directory`() throws {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-file-\(UUID().uuidString)")
        try Data().write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let refused = try refusal(file.path, "run", "-d", "--engine", "soft", "true")
        #expect(refused.status == 125)
        #expect(refused.error.hasSuffix("cannot be used (XDG_STATE_HOME): Not a directory\n"))
    }

    @Test(.enabled(if: getuid() == 0, "only root may mount a small file system"))
    func `A full disk`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-full-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false)
        let mounted = try Program.run(
            "mount", ["-t", "tmpfs", "-o", "size=64k,mode=700", "none", folder])
        try #require(mounted.status == 0, "\(mounted.errorText)")
        defer {
            _ = try? Program.run("umount", ["-l", folder])
            try? FileManager.default.removeItem(atPath: folder)
        }
        let host = try DetachedHost(in: folder)
        // A guest that writes more than there is room for goes on, and its end is kept.
        try host.done(
            "run", "-d", "--name", "loud", "--engine", "soft", "sh", "-c",
            "yes | head -c 300000; exit 5")
        #expect(try host.done("wait", "loud") == "5\n")
        _ = try? Data(count: 1 << 20).write(to: URL(filePath: folder + "/fill"))
        let refused = try host.swiftlet("run", "-d", "--engine", "soft", "true")
        #expect(refused.status == 125)
        #expect(refused.errorText.hasPrefix("swiftlet: "))
        #expect(refused.errorText.hasSuffix("No space left on device\n"))
        try host.done("rm", "loud")
        #expect(host.remains == [])
    }
}

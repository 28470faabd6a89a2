// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// The jailer of `bin/` and what becomes of the program it is given.
@Suite(.serialized) struct JailerPlaceTests {
    private static func status(_ path: String) throws -> stat {
        try #require(Posix.status(path), "\(path) is not there")
    }

    // MARK: The place

    @Test(.enabled(if: JailFolder.isRoot, JailFolder.reason))
    func `Directories, devices and the program are as Firecracker's users expect`() throws {
        let folder = JailFolder.self
        let jail = try JailFolder()
        let result = try jail.run([], ["--version"])
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.outputText.hasPrefix("Firecracker v1.17.0\n"))

        for name in ["", "dev", "dev/net", "run"] {
            let status = try Self.status(jail.path(name))
            #expect(status.st_mode == S_IFDIR | 0o700, "\(name)")
            #expect(status.st_uid == folder.user && status.st_gid == folder.group, "\(name)")
        }
        var devices = [("dev/net/tun", 10, 200), ("dev/kvm", 10, 232), ("dev/urandom", 1, 9)]
        if let minor = try Self.userfaultfd() { devices.append(("dev/userfaultfd", 10, minor)) }
        for (name, major, minor) in devices {
            let status = try Self.status(jail.path(name))
            #expect(status.st_mode == S_IFCHR | 0o600, "\(name)")
            #expect(status.st_uid == folder.user && status.st_gid == folder.group, "\(name)")
            #expect(status.st_rdev == dev_t(major << 8 | minor & 0xff | (minor & ~0xff) << 12))
        }
        // The program is a copy of its own that only root could change.
        let program = try Self.status(jail.path("firecracker"))
        #expect(program.st_mode == S_IFREG | 0o555 && program.st_uid == 0)
        #expect(program.st_ino != (try Self.status(jail.program)).st_ino)
        #expect(program.st_nlink == 1)
        let process = try String(contentsOfFile: jail.path("firecracker.pid"), encoding: .utf8)
        #expect(Int32(process) != nil)
    }

    private static func userfaultfd() throws -> Int? {
        let lines = try String(contentsOfFile: "/proc/misc", encoding: .utf8)
            .split(separator: "\n")
        let words = lines.map { $0.split(separator: " ") }.first { $0.last == "userfaultfd" }
        return words.flatMap { Int($0[0]) }
    }

    @Test(.enabled(if: JailFolder.isRoot, JailFolder.reason))
    func `What is there before is kept, mounts included, and later mounts come in`() throws {
        let jail = try JailFolder()
        try jail.prepare()
        try Data("kernel".utf8).write(to: jail.root.appending(path: "vmlinux"))
        try Data().write(to: jail.root.appending(path: "disk"))
        let bound = try Program.run("mount", ["--bind", jail.program, jail.path("disk")])
        try #require(bound.status == 0, "\(bound.errorText)")
        defer { _ = try? Program.run("umount", ["--lazy", jail.path("disk")]) }
        let monitor = try JailedMonitor(jail, ["--daemonize"])
        let seen = "/proc/\(monitor.identifier)/root"
        #expect(try Data(contentsOf: URL(filePath: seen + "/vmlinux")) == Data("kernel".utf8))
        let size = try Self.status(jail.program).st_size
        #expect(try Self.status(seen + "/disk").st_size == size)
        #expect(try Self.status(seen + "/vmlinux").st_uid == 0)
        // What the host mounts later, and what it takes away, too.
        try Data().write(to: jail.root.appending(path: "later"))
        let later = try Program.run("mount", ["--bind", jail.program, jail.path("later")])
        try #require(later.status == 0)
        defer { _ = try? Program.run("umount", ["--lazy", jail.path("later")]) }
        let isShared = try Self.isShared(jail.base.path)
        #expect(try Self.status(seen + "/later").st_size == (isShared ? size : 0))
    }

    @Test(.enabled(if: JailFolder.isRoot, JailFolder.reason))
    func `Spares are taken, one a machine, and only good ones`() throws {
        let jail = try JailFolder(isCopy: true)
        let jailer = try Built.file("bin/swiftlet-jailer")
        let fill = [
            "--spares", "2", "--exec-file", jail.program, "--chroot-base-dir", jail.base.path,
        ]
        for _ in 0..<2 { #expect(try Program.run(jailer, fill).status == 0) }
        let spares = jail.base.appending(path: "firecracker/.spares").path
        let all = { try FileManager.default.contentsOfDirectory(atPath: spares).sorted() }
        let made = try all()
        #expect(made.count == 2)
        let folder = try Self.status(spares)
        #expect(folder.st_mode == S_IFDIR | 0o700 && folder.st_uid == 0)

        // One that somebody else could have written is not executed.
        Posix.chmod(spares + "/" + made[0], 0o755)
        let good = try Self.status(spares + "/" + made[1]).st_ino
        let result = try jail.run([], ["--version"])
        #expect(result.outputText.hasPrefix("Firecracker v"), "\(result.errorText)")
        #expect(try Self.status(jail.path("firecracker")).st_ino == good)
        #expect(try !all().contains(made[1]))

        // A planted name is not replaced by a spare either.
        try FileManager.default.removeItem(at: jail.root)
        #expect(try Program.run(jailer, fill).status == 0)
        try jail.prepare()
        Posix.symlink("/etc/passwd", jail.path("firecracker"))
        #expect(try jail.run().errorText.hasPrefix("Failed to open \(jail.path("firecracker")): "))
        #expect(try all().count == 2)
    }

    /// Whether mounts at `path` show in other namespaces.
    private static func isShared(_ path: String) throws -> Bool {
        let result = try Program.run(
            "findmnt", ["--noheadings", "--output", "PROPAGATION", "--target", path])
        return result.outputText.contains("shared")
    }

    // MARK: The process

    @Test(
        .enabled(if: JailFolder.isRoot, JailFolder.reason),
        arguments: [[], ["--daemonize"], ["--new-pid-ns"], ["--daemonize", "--new-pid-ns"]])
    func `The number in the file of it ends the program`(_ options: [String]) throws {
        let monitor = try JailedMonitor(try JailFolder(), options)
        #expect(try monitor.text("comm") == "firecracker\n")
        let inner = options.contains("--new-pid-ns") ? "\(monitor.identifier) 1" : nil
        #expect(try monitor.status("NStgid") == inner ?? "\(monitor.identifier)")
        let streams = try (0...2).map { try monitor.link("fd/\($0)") }
        #expect(!options.contains("--daemonize") || streams.allSatisfy { $0 == "/dev/null" })
        let fields = try monitor.text("stat").split(separator: ")").last?.split(separator: " ")
        // Terminal and session.
        #expect(!options.contains("--daemonize") || fields?[4] == "0")
        monitor.send(SIGTERM)
        #expect(RunningProgram.wait(seconds: 10) { !monitor.isRunning })
    }

    @Test(.enabled(if: JailFolder.isRoot, JailFolder.reason))
    func `Limits of resources are the program's`() throws {
        let monitor = try JailedMonitor(
            try JailFolder(),
            ["--resource-limit", "no-file=1024", "--resource-limit", "fsize=2097151"])
        let limits = try monitor.text("limits")
        #expect(limits.contains(#/Max open files +1024 +1024/#))
        #expect(limits.contains(#/Max file size +2097151 +2097151/#))
        let usual = try JailedMonitor(try JailFolder())
        #expect(try usual.text("limits").contains(#/Max open files +2048 +2048/#))
        #expect(try usual.text("limits").contains(#/Max file size +unlimited/#))
    }

    /// Says what a program has from who has started it.
    private static let witness = #"""
        #include <fcntl.h>
        #include <stdio.h>
        #include <sys/prctl.h>
        #include <sys/stat.h>
        #include <unistd.h>
        extern char **environ;
        int main(int count, char **words) {
            for (int fd = 3; fd < 1024; fd++)
                if (fcntl(fd, F_GETFD) >= 0) printf("descriptor %d\n", fd);
            for (char **variable = environ; *variable; variable++) puts(*variable);
            uid_t user, effective, saved;
            getresuid(&user, &effective, &saved);
            printf("user %d %d %d groups %d mask %o\n", user, effective, saved, getgroups(0, 0), umask(0));
            for (int set = 0; set < 64; set++)
                if (prctl(PR_CAPBSET_READ, set) == 1) printf("bound %d\n", set);
            printf("back %d\n", setresuid(0, 0, 0));
            for (int word = 1; word < count; word++) printf("%s ", words[word]);
            printf("\n");
        }
        """#

    @Test(.enabled(if: JailFolder.isRoot, JailFolder.reason))
    func `Nothing of the caller comes in, and there is no way back`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-witness-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (source, program) = (folder.path + "/witness.c", folder.path + "/witness")
        try Data(Self.witness.utf8).write(to: URL(filePath: source))
        let built = try Program.run(
            "cc", ["-D_GNU_SOURCE", "-static", "-o", program, source])
        try #require(built.status == 0, "\(built.errorText)")

        let jail = try JailFolder(program: program)
        let result = try Program.run(
            "bash",
            [
                "-c", "umask 0; exec 7</etc/passwd 9</dev/zero; exec \"$@\"", "-",
                try Built.file("bin/swiftlet-jailer"),
            ] + jail.arguments([], ["--config-file", "/vm.json", "--no-api"]),
            environment: ["SECRET": "1"])
        let (user, id) = (JailFolder.user, jail.id)
        let words =
            #/--id (\S+) --start-time-us \d+ --start-time-cpu-us \d+ --parent-cpu-time-us \d+/#
        let lines = result.outputText.split(separator: "\n")
        try #require(lines.count == 3, "\(result.outputText)")
        #expect(lines[0] == "user \(user) \(user) \(user) groups 0 mask 22")
        #expect(lines[1] == "back -1")
        #expect(try words.prefixMatch(in: String(lines[2]))?.1 == Substring(id))
        #expect(lines[2].hasSuffix(" --config-file /vm.json --no-api "))
    }

    // MARK: Refusals

    @Test(arguments: [
        ("", "Invalid len (0);  the length must be between 1 and 64"),
        (String(repeating: "a", count: 65), "Invalid len (65);  the length must be between"),
        ("../x", "Invalid char (.) at position 0"), ("a/b", "Invalid char (/) at position 1"),
        ("é", "Invalid char ("), ("a b", "Invalid char ( ) at position 1"),
    ])
    func `A bad name is refused`(_ id: String, _ message: String) throws {
        let result = try Program.run(
            try Built.file("bin/swiftlet-jailer"),
            ["--id", id, "--exec-file", "/bin/true", "--uid", "1", "--gid", "1"])
        #expect(result.status == 1)
        #expect(result.errorText.hasPrefix("Invalid instance ID: " + message))
    }

    @Test func `Paths that are not there, or are no files, are named`() throws {
        let jail = try JailFolder()
        let missing = try Program.run(
            try Built.file("bin/swiftlet-jailer"),
            ["--id", "a", "--exec-file", "/nonexistent", "--uid", "1", "--gid", "1"])
        #expect(
            missing.errorText
                == "Failed to canonicalize path /nonexistent: No such file or directory (os error 2)\n"
        )
        let directory = try Program.run(
            try Built.file("bin/swiftlet-jailer"),
            [
                "--id", "a", "--exec-file", jail.base.path, "--uid", "1", "--gid", "1",
                "--chroot-base-dir", jail.base.path,
            ])
        #expect(directory.errorText == "\(jail.base.path) is not a file\n")
        let base = try Program.run(
            try Built.file("bin/swiftlet-jailer"),
            [
                "--id", "a", "--exec-file", jail.program, "--uid", "1", "--gid", "1",
                "--chroot-base-dir", jail.program,
            ])
        #expect(base.errorText == "\(jail.program) is not a directory\n")
        for result in [missing, directory, base] { #expect(result.status == 1) }
        #expect(try jail.remains() == [])
    }

    @Test(.enabled(if: JailFolder.isRoot, JailFolder.reason))
    func `A program that cannot be executed leaves nothing behind`() throws {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-text-\(UUID().uuidString)")
        try Data("this is no program\n".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        for options in [[], ["--daemonize"], ["--new-pid-ns"]] {
            let jail = try JailFolder(program: file.path)
            let result = try jail.run(options)
            #expect(result.status == 1)
            #expect(
                result.errorText
                    == "Failed to exec into Firecracker: Exec format error (os error 8)\n")
            #expect(try jail.remains() == [], "\(options)")
        }
    }

    @Test(.enabled(if: JailFolder.isRoot, JailFolder.reason))
    func `A network namespace that is none, or waits for ever, is refused`() throws {
        let jail = try JailFolder()
        let pipe = jail.base.deletingLastPathComponent().appending(path: "pipe").path
        #expect(Posix.mkfifo(pipe, 0o600) == 0)
        for path in [pipe, "/dev/null", "/nonexistent"] {
            let result = try jail.run(["--netns", path])
            #expect(result.status == 1)
            #expect(
                result.errorText.hasPrefix("Failed to join network namespace: netns: ")
                    || result.errorText.hasPrefix("Failed to open file /nonexistent: "))
            #expect(try jail.remains() == [])
        }
    }

    @Test(.enabled(if: JailFolder.isRoot, JailFolder.reason))
    func `A second machine of a name is refused, and the first goes on`() throws {
        let monitor = try JailedMonitor(try JailFolder())
        let before = try monitor.folder.remains()
        let result = try monitor.folder.run()
        #expect(result.status == 1)
        #expect(result.errorText.contains("File exists (os error 17)"))
        #expect(try monitor.folder.remains() == before)
        #expect(try monitor.client().ask("GET", "/version").status == 200)
        let status = try Self.status(monitor.folder.path(""))
        #expect(status.st_uid == JailFolder.user)
    }
}

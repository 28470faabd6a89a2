// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct JailerArgumentsTests {
    private static let least = ["--id", "a", "--exec-file", "/f", "--uid", "1", "--gid", "2"]

    private func refusal(_ words: [String]) -> String? {
        let error = #expect(throws: JailerArguments.Failure.self) { try JailerArguments(words) }
        return error?.description
    }

    @Test func `The flags of Firecracker's jailer are taken`() throws {
        let arguments = try JailerArguments([
            "--id", "551e7604-e35c-42b3", "--exec-file", "/usr/bin/firecracker", "--uid", "123",
            "--gid", "100", "--cgroup", "cpuset.mems=0", "--cgroup", "io.max=8:0 rbps=1",
            "--cgroup-version", "2", "--parent-cgroup", "all/vms", "--netns", "/run/netns/n",
            "--resource-limit", "fsize=250000000", "--resource-limit", "no-file=1024",
            "--daemonize", "--new-pid-ns", "--chroot-base-dir", "/jails", "--", "--config-file",
            "/vm.json", "--", "--no-api",
        ])
        #expect(arguments.request == .run)
        #expect(arguments.identifier == "551e7604-e35c-42b3")
        #expect(arguments.executable == "/usr/bin/firecracker")
        #expect(arguments.user == 123 && arguments.group == 100)
        #expect(
            arguments.cgroupProperties.map { "\($0.file) \($0.value)" }
                == ["cpuset.mems 0", "io.max 8:0 rbps=1"])
        #expect(arguments.cgroupVersion == 2)
        #expect(arguments.parentCgroup == ["all", "vms"])
        #expect(arguments.networkNamespace == "/run/netns/n")
        #expect(arguments.limits == [.fileSize: 250_000_000, .openFiles: 1024])
        #expect(arguments.isDaemon && arguments.hasOwnProcesses)
        #expect(arguments.baseDirectory == "/jails")
        #expect(arguments.rest == ["--config-file", "/vm.json", "--", "--no-api"])
    }

    @Test func `Four are enough`() throws {
        let arguments = try JailerArguments(Self.least)
        #expect(arguments.baseDirectory == "/srv/jailer")
        #expect(arguments.limits == [.openFiles: 2048])
        #expect(arguments.cgroupVersion == 1 && arguments.parentCgroup == nil)
        #expect(!arguments.isDaemon && !arguments.hasOwnProcesses)
        #expect(arguments.rest.isEmpty && arguments.networkNamespace == nil)
    }

    @Test(
        arguments: [
            (["--help", "--nonsense"], .help), (["-h"], .help), (["--version"], .version),
            (["--id", "--version"], .version),
        ] as [([String], JailerArguments.Request)])
    func `Help and version win`(_ words: [String], _ request: JailerArguments.Request) throws {
        #expect(try JailerArguments(words).request == request)
    }

    @Test func `Spares need a program, and nothing else`() throws {
        let arguments = try JailerArguments(["--spares", "10", "--exec-file", "/f"])
        #expect(arguments.request == .spares(10))
        #expect(arguments.executable == "/f" && arguments.baseDirectory == "/srv/jailer")
        #expect(
            refusal(["--spares", "10"])
                == "Failed to parse arguments: Argument 'exec-file' required, but not found.")
        for text in ["0", "65", "-1", "x", ""] {
            #expect(
                refusal(["--spares", text, "--exec-file", "/f"])
                    == "Invalid number of spares: \(text); it is 1 to 64")
        }
    }

    @Test func `Behind two dashes nothing is ours`() throws {
        #expect(try JailerArguments(Self.least + ["--", "--version"]).request == .run)
    }

    @Test(arguments: ["id", "exec-file", "uid", "gid"])
    func `What is missing is named`(_ name: String) throws {
        var words = Self.least
        let index = try #require(words.firstIndex(of: "--" + name))
        words.removeSubrange(index...index + 1)
        #expect(
            refusal(words)
                == "Failed to parse arguments: Argument '\(name)' required, but not found.")
    }

    @Test(
        arguments: [
            (
                ["--nope"],
                "Found argument 'nope' which wasn't expected, or isn't valid in this context."
            ),
            (
                ["nope"],
                "Found argument 'nope' which wasn't expected, or isn't valid in this context."
            ),
            (
                ["--id=a"],
                "Found argument 'id=a' which wasn't expected, or isn't valid in this context."
            ),
            (["--uid"], "The argument 'uid' requires a value, but none was supplied."),
            (
                ["--netns", "--daemonize"],
                "The argument 'netns' requires a value, but none was supplied."
            ),
            (["--uid", "1", "--uid", "1"], "The argument 'uid' was provided more than once."),
            (
                ["--daemonize", "--daemonize"],
                "The argument 'daemonize' was provided more than once."
            ),
        ] as [([String], String)])
    func `What cannot be read is refused`(_ words: [String], _ message: String) {
        #expect(refusal(words) == "Failed to parse arguments: " + message)
    }

    /// -1 means "as it is" to the kernel: a jailed program would stay root.
    @Test(arguments: ["-1", "4294967295", "4294967296", "root", "", "0x1", "1 "])
    func `What is no user is refused`(_ text: String) {
        #expect(
            refusal(["--id", "a", "--exec-file", "/f", "--uid", text, "--gid", "2"])
                == "Invalid uid: \(text)")
        #expect(
            refusal(["--id", "a", "--exec-file", "/f", "--uid", "1", "--gid", text])
                == "Invalid gid: \(text)")
    }

    @Test(
        arguments: [
            ("--cgroup", "cpu.shares", "Invalid format for cgroups: cpu.shares"),
            ("--cgroup", "cpu.shares=", "Invalid format for cgroups: cpu.shares="),
            ("--cgroup", "=1", "Invalid format for cgroups: =1"),
            ("--cgroup", "shares=1", "Cgroup invalid file: shares"),
            ("--cgroup", "../a.b=1", "Cgroup invalid file: ../a.b"),
            ("--cgroup", "a.b/c=1", "Cgroup invalid file: a.b/c"),
            ("--cgroup", ".=1", "Cgroup invalid file: ."),
            ("--cgroup", "..=1", "Cgroup invalid file: .."),
            ("--cgroup-version", "3", "3 is an invalid cgroup version specifier"),
            ("--cgroup-version", "", " is an invalid cgroup version specifier"),
            ("--resource-limit", "fsize", "Invalid format for resources limits: fsize"),
            ("--resource-limit", "core=1", "Invalid resource argument: core"),
            (
                "--resource-limit", "fsize=x",
                "Invalid limit value for resource: x: it is a whole number"
            ),
            (
                "--resource-limit", "fsize=-1",
                "Invalid limit value for resource: -1: it is a whole number"
            ),
        ] as [(String, String, String)])
    func `A value that means nothing is refused`(
        _ flag: String, _ value: String, _ message: String
    ) {
        #expect(refusal(Self.least + [flag, value]) == message)
    }

    @Test(arguments: ["/a", "..", "a/../b", "a/..", ".", "./a", "a/."])
    func `A parent that leads elsewhere is refused`(_ path: String) {
        #expect(
            refusal(Self.least + ["--parent-cgroup", path])
                == "Parent cgroup path is invalid. Path should not be absolute or contain '..' or '.'"
        )
    }

    @Test(
        arguments: [
            ("", "Invalid len (0);  the length must be between 1 and 64"),
            (
                String(repeating: "x", count: 65),
                "Invalid len (65);  the length must be between 1 and 64"
            ),
            ("12_3aa", "Invalid char (_) at position 2"),
            ("../x", "Invalid char (.) at position 0"),
            ("ab/", "Invalid char (/) at position 2"),
            ("a\n", "Invalid char (\u{fffd}) at position 1"),
            ("é1", "Invalid char (é) at position 0"),
        ] as [(String, String)])
    func `A name that is no file's everywhere is refused`(_ id: String, _ message: String) {
        #expect(
            refusal(["--id", id, "--exec-file", "/f", "--uid", "1", "--gid", "2"])
                == "Invalid instance ID: " + message)
    }
}

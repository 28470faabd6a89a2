// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Testing

/// The jailer and control groups, of whichever version this machine has.
@Suite(.serialized, .enabled(if: JailFolder.isRoot, JailFolder.reason))
struct JailerCgroupTests {
    static let mounts = CgroupMounts(HostFiles().lines("/proc/self/mounts"))
    static let memory = mounts.tree(of: "memory")
    static let processors = mounts.tree(of: "cpuset")
    /// Version 2 with a controller that is not bound to version 1.
    static let unified = mounts.unified.flatMap { tree in
        HostFiles().text(tree.path + "/cgroup.controllers")?.contains("hugetlb") == true
            ? tree : nil
    }

    /// Removes groups that a test has made, from the innermost on.
    private func remove(_ tree: CgroupMounts.Tree, _ names: [String]) {
        for count in (1...names.count).reversed() {
            Posix.rmdir(([tree.path] + names.prefix(count)).joined(separator: "/"))
        }
    }

    private func text(_ tree: CgroupMounts.Tree, _ path: String) -> String? {
        HostFiles().text(tree.path + "/" + path)
    }

    @Test(.enabled(if: memory != nil, "version 1 of control groups has no memory here"))
    func `Version 1: a group gets its value and the process`() throws {
        let tree = try #require(Self.memory)
        let jail = try JailFolder()
        let names = ["swiftlet-test-\(jail.id)", "inner", jail.id]
        defer { remove(tree, names) }
        let path = names.joined(separator: "/")
        do {
            let monitor = try JailedMonitor(
                jail,
                [
                    "--cgroup", "memory.limit_in_bytes=268435456", "--parent-cgroup",
                    names.dropLast().joined(separator: "/"),
                ])
            #expect(text(tree, path + "/memory.limit_in_bytes") == "268435456")
            #expect(text(tree, path + "/tasks")?.contains("\(monitor.identifier)") == true)
        }
        #expect(
            RunningProgram.wait(seconds: 10) { text(tree, path + "/tasks")?.isEmpty == true })
    }

    @Test(.enabled(if: processors != nil, "version 1 of control groups has no cpuset here"))
    func `Version 1: processors are enough for a group of processors`() throws {
        let tree = try #require(Self.processors)
        let jail = try JailFolder()
        let names = ["firecracker", jail.id]
        defer { remove(tree, names) }
        let monitor = try JailedMonitor(jail, ["--cgroup", "cpuset.cpus=0"])
        #expect(try monitor.status("Cpus_allowed_list") == "0")
        monitor.send(SIGKILL)
        #expect(
            RunningProgram.wait(seconds: 10) {
                text(tree, names.joined(separator: "/") + "/tasks")?.isEmpty == true
            })
    }

    @Test(.enabled(if: memory != nil, "version 1 of control groups has no memory here"))
    func `A value that the kernel refuses leaves nothing behind`() throws {
        let tree = try #require(Self.memory)
        let jail = try JailFolder()
        let parent = "swiftlet-test-\(jail.id)"
        let result = try jail.run(
            ["--cgroup", "memory.limit_in_bytes=much", "--parent-cgroup", parent])
        #expect(result.status == 1)
        #expect(
            result.errorText
                == "Failed to write to \(tree.path)/\(parent)/\(jail.id)/memory.limit_in_bytes:"
                + " Invalid argument (os error 22)\n")
        #expect(!HostFiles().exists("\(tree.path)/\(parent)"))
        #expect(try jail.remains() == [])
    }

    @Test(.enabled(if: memory != nil, "version 1 of control groups has no memory here"))
    func `A later failure brings the process back out of its group`() throws {
        let tree = try #require(Self.memory)
        let jail = try JailFolder()
        try jail.prepare()
        #expect(Posix.mkfifo(jail.path("run"), 0o600) == 0)
        let parent = "swiftlet-test-\(jail.id)"
        let result = try jail.run(
            ["--cgroup", "memory.limit_in_bytes=268435456", "--parent-cgroup", parent])
        #expect(result.status == 1)
        #expect(!HostFiles().exists("\(tree.path)/\(parent)"))
    }

    @Test func `A controller that is not there is named`() throws {
        let jail = try JailFolder()
        let result = try jail.run(["--cgroup", "wishes.max=3"])
        #expect(result.status == 1)
        #expect(result.errorText == "Controller wishes is unavailable\n")
        #expect(try jail.remains() == [])
    }

    @Test(.enabled(if: unified != nil, "version 2 of control groups has no free controller here"))
    func `Version 2: a group gets its value and the process`() throws {
        let tree = try #require(Self.unified)
        let jail = try JailFolder()
        let names = ["swiftlet-test-\(jail.id)", "inner", jail.id]
        let passed = text(tree, "cgroup.subtree_control") ?? ""
        defer {
            remove(tree, names)
            if !passed.contains("hugetlb") {
                try? HostFacts.write(
                    Array("-hugetlb".utf8), to: tree.path + "/cgroup.subtree_control", at: 0)
            }
        }
        let path = names.joined(separator: "/")
        let monitor = try JailedMonitor(
            jail,
            [
                "--cgroup-version", "2", "--cgroup", "hugetlb.2MB.max=4194304",
                "--parent-cgroup", names.dropLast().joined(separator: "/"),
            ])
        #expect(text(tree, path + "/hugetlb.2MB.max") == "4194304")
        #expect(text(tree, path + "/cgroup.procs") == "\(monitor.identifier)")
        for above in ["", names[0] + "/", names[0] + "/inner/"] {
            #expect(text(tree, above + "cgroup.subtree_control")?.contains("hugetlb") == true)
        }
        monitor.send(SIGKILL)
        #expect(
            RunningProgram.wait(seconds: 10) { text(tree, path + "/cgroup.procs")?.isEmpty == true }
        )
    }

    @Test(.enabled(if: mounts.unified != nil, "version 2 of control groups is not mounted here"))
    func `Version 2: without values the process goes into the parent, if that is there`() throws {
        let tree = try #require(Self.mounts.unified)
        let jail = try JailFolder()
        let name = "swiftlet-test-\(jail.id)"
        #expect(Posix.mkdir("\(tree.path)/\(name)", 0o755) == 0)
        defer { remove(tree, [name]) }
        let monitor = try JailedMonitor(
            jail, ["--cgroup-version", "2", "--parent-cgroup", name])
        #expect(text(tree, name + "/cgroup.procs") == "\(monitor.identifier)")
        monitor.send(SIGKILL)
        #expect(
            RunningProgram.wait(seconds: 10) { text(tree, name + "/cgroup.procs")?.isEmpty == true }
        )

        let other = try JailedMonitor(
            try JailFolder(), ["--cgroup-version", "2", "--parent-cgroup", name + "-absent"])
        #expect(!HostFiles().exists("\(tree.path)/\(name)-absent"))
        #expect(try other.client().ask("GET", "/version").status == 200)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Linux

@Suite struct CgroupTests {
    private static let hybrid = """
        proc /proc proc rw,relatime 0 0
        tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0
        cgroup /sys/fs/cgroup/with\\040blank cgroup rw,memory 0 0
        cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0
        """

    @Test func `A hybrid's trees are found`() {
        let mounts = CgroupMounts(Self.hybrid.split(separator: "\n"))
        #expect(mounts.trees.count == 4)
        #expect(mounts.tree(of: "cpuacct")?.path == "/sys/fs/cgroup/cpu,cpuacct")
        #expect(mounts.tree(of: "memory")?.path == "/sys/fs/cgroup/with blank")
        #expect(mounts.tree(of: "pids") == nil)
        #expect(mounts.unified?.path == "/sys/fs/cgroup/unified")
        #expect(CgroupMounts([]).unified == nil)
    }

    @Test func `Lines that are no mounts are passed over`() {
        let mounts = CgroupMounts(["", "cgroup", "cgroup /x cgroup", "a b cgroup3 c 0 0"])
        #expect(mounts.trees.isEmpty)
    }

    /// A tree of ordinary files, which keep what is written to them.
    private final class FakeTree {
        let root = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-cgroup-\(UUID().uuidString)")

        init(_ files: [String: String]) throws {
            for (name, text) in files {
                let file = root.appending(path: name)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: file)
            }
        }

        deinit { try? FileManager.default.removeItem(at: root) }

        func tree(_ version: CgroupVersion) -> CgroupMounts.Tree {
            CgroupMounts.Tree(path: root.path, controllers: [], version: version)
        }

        subscript(_ name: String) -> String? {
            try? String(contentsOf: root.appending(path: name), encoding: .utf8)
        }
    }

    @Test func `Version 2: each group above passes the controller on, once`() throws {
        let tree = try FakeTree([
            "cgroup.controllers": "cpu memory\n", "cgroup.subtree_control": "cpu\n",
            "a/cgroup.subtree_control": "", "a/b/cgroup.subtree_control": "memory\n",
            "a/b/c/memory.max": "", "a/b/c/memory.high": "", "a/b/c/cgroup.procs": "",
            "a/b/c/cgroup.subtree_control": "",
        ])
        let group = try Cgroup(in: tree.tree(.second), at: ["a", "b", "c"])
        try group.set([
            Cgroup.Property(file: "memory.max", value: "1048576"),
            Cgroup.Property(file: "memory.high", value: "65536"),
        ])
        try group.join()
        #expect(tree["a/b/c/memory.max"] == "1048576\n")
        #expect(tree["a/b/c/memory.high"] == "65536\n")
        #expect(tree["a/b/c/cgroup.procs"] == "0\n")
        #expect(tree["cgroup.subtree_control"] == "+memory\n")
        #expect(tree["a/cgroup.subtree_control"] == "+memory\n")
        #expect(tree["a/b/cgroup.subtree_control"] == "memory\n")
        #expect(tree["a/b/c/cgroup.subtree_control"] == "")
        group.undo()
        #expect(tree["a/b/c/memory.max"] != nil)
    }

    @Test func `Version 2: a controller that the tree has not is refused`() throws {
        let tree = try FakeTree([
            "cgroup.controllers": "cpu\n", "cgroup.subtree_control": "", "a/memory.max": "",
        ])
        let group = try Cgroup(in: tree.tree(.second), at: ["a"])
        let error = #expect(throws: Cgroup.Failure.self) {
            try group.set([Cgroup.Property(file: "memory.max", value: "1")])
        }
        #expect(error?.description == "Controller memory is unavailable")
        #expect(tree["cgroup.subtree_control"] == "")
    }

    @Test func `Version 1: processors and memory come from above where there are none`() throws {
        let tree = try FakeTree([
            "cpuset.cpus": "0-1\n", "cpuset.mems": "0\n", "a/cpuset.cpus": "1\n",
            "a/cpuset.mems": "", "a/b/cpuset.cpus": "", "a/b/cpuset.mems": "", "a/b/tasks": "",
        ])
        let group = try Cgroup(in: tree.tree(.first), at: ["a", "b"])
        try group.set([Cgroup.Property(file: "cpuset.cpus", value: "1")])
        #expect(tree["a/cpuset.mems"] == "0\n" && tree["a/b/cpuset.mems"] == "0\n")
        #expect(tree["a/cpuset.cpus"] == "1\n" && tree["a/b/cpuset.cpus"] == "1\n")
        try group.join()
        #expect(tree["a/b/tasks"] == "0\n")
    }

    @Test func `What was made goes, what was there stays`() throws {
        let tree = try FakeTree(["a/there": ""])
        let group = try Cgroup(in: tree.tree(.first), at: ["a", "b", "c"])
        #expect(FileManager.default.fileExists(atPath: tree.root.path + "/a/b/c"))
        group.undo()
        #expect(!FileManager.default.fileExists(atPath: tree.root.path + "/a/b"))
        #expect(tree["a/there"] == "")
    }

    @Test func `A link in the tree is not followed, one to the tree is`() throws {
        let other = try FakeTree(["tasks": ""])
        let tree = try FakeTree(["x": ""])
        try FileManager.default.createSymbolicLink(
            at: tree.root.appending(path: "a"), withDestinationURL: other.root)
        #expect(throws: Cgroup.Failure.self) { _ = try Cgroup(in: tree.tree(.first), at: ["a"]) }

        let linked = CgroupMounts.Tree(
            path: tree.root.path + "/a", controllers: [], version: .first)
        let group = try Cgroup(in: linked, at: ["b"])
        #expect(FileManager.default.fileExists(atPath: other.root.path + "/b"))
        group.undo()
    }

    @Test func `Moving into a group that is not there is no error`() throws {
        let tree = try FakeTree(["a/cgroup.procs": ""])
        #expect(try Cgroup.move(to: ["a"], in: tree.tree(.second)))
        #expect(tree["a/cgroup.procs"] == "0")
        #expect(try !Cgroup.move(to: ["b"], in: tree.tree(.second)))
    }
}

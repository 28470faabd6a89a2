// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation
import Support
import Testing

@testable import Linux

/// MNT_DETACH.
private let detach: CInt = 2

/// Root's monitors share a network namespace with nothing in it.
@Suite(.enabled(if: geteuid() == 0, "needs root, to make and to keep namespaces"))
struct EmptyNetworkTests {
    /// A folder of root's alone that goes with the test, and what is mounted in it.
    private final class Folder {
        let path = "/tmp/swiftlet-network-\(UUID().uuidString)"
        var kept: String { path + "/kept" }

        init(mode: Int = 0o700) throws {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false,
                attributes: [.posixPermissions: mode])
            // As an administrator's umask does not bind a test.
            try FileManager.default.setAttributes(
                [.posixPermissions: mode], ofItemAtPath: path)
        }

        deinit {
            unsafe umount2(kept, detach)
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    /// What a thread finds that has entered.
    private struct Visit: Sendable {
        var isShared: Bool?
        var namespace: String?
        var interfaces = ""
    }

    /// Enters on a thread of its own, which it binds for good.
    private func visit(_ path: String) throws -> Visit {
        try TestThread.call("a visit of \(path)") {
            var visit = Visit()
            visit.isShared = try? EmptyNetwork.enter(keptAt: path)
            let proc = "/proc/thread-self/"
            visit.namespace = try? FileManager.default.destinationOfSymbolicLink(
                atPath: proc + "ns/net")
            let text = try? String(contentsOfFile: proc + "net/dev", encoding: .utf8)
            visit.interfaces = text ?? ""
            return visit
        }
    }

    private var host: String {
        get throws {
            try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
        }
    }

    @Test func `The first makes it, and who comes later finds it empty`() throws {
        let folder = try Folder()
        let first = try visit(folder.kept)
        let second = try visit(folder.kept)
        #expect(first.isShared == true && second.isShared == true)
        #expect(first.namespace != nil && first.namespace == second.namespace)
        #expect(try first.namespace != host)
        let interfaces = second.interfaces.split(separator: "\n").dropFirst(2)
        #expect(interfaces.count == 1 && interfaces.allSatisfy { $0.contains("lo:") })
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["kept"])
    }

    @Test func `What has the name and is no namespace is replaced`() throws {
        for mode: mode_t in [S_IFREG, S_IFIFO] {
            let folder = try Folder()
            try #require(unsafe mknod(folder.kept, mode | 0o600, 0) == 0)
            let first = try visit(folder.kept)
            let second = try visit(folder.kept)
            #expect(try first.namespace != host)
            #expect(first.namespace == second.namespace, "\(mode)")
        }
    }

    @Test func `A namespace of another kind is not entered in its place`() throws {
        let folder = try Folder()
        try Data().write(to: URL(filePath: folder.kept))
        try Errno.check(unsafe clinux_bind("/proc/self/ns/uts", folder.kept))
        let visit = try visit(folder.kept)
        #expect(try visit.namespace != nil && visit.namespace != host)
        #expect(visit.interfaces.contains("lo:"))
        unsafe umount2(folder.kept, detach)
    }

    @Test func `A folder that others may write is not believed, nor a link`() throws {
        let open = try Folder(mode: 0o777)
        let own = try Folder()
        _ = try visit(own.kept)
        try FileManager.default.createSymbolicLink(
            atPath: open.kept, withDestinationPath: own.kept)
        let one = try visit(open.kept)
        let other = try visit(open.kept)
        #expect(one.isShared == false && other.isShared == false)
        #expect(one.namespace != nil && one.namespace != other.namespace)
        #expect(try one.namespace != host && other.namespace != host)
        let linked = try Folder()
        try FileManager.default.createSymbolicLink(
            atPath: linked.kept, withDestinationPath: own.kept)
        let last = try visit(linked.kept)
        #expect(last.isShared == false)
        #expect(try last.namespace != host)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Linux

/// A directory of a test's, gone with this value.
package final class ScratchTree {
    /// A script of a test's failed.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    package let path: String

    /// A new directory; `script` fills it.
    package init(_ script: String = "") throws {
        path = ScratchPath.unique("tree")
        _ = try Self.run("mkdir -m 700 \"$0\"", path)
        try shell(script)
    }

    deinit { _ = try? Self.run("chmod -R u+rwx \"$0\"; rm -rf \"$0\" \"$0.out\"", path) }

    /// Runs a script in it; what it wrote.
    @discardableResult
    package func shell(_ script: String) throws -> String {
        try Self.run("cd \"$0\" && { :; \(script)\n}", path)
    }

    /// What is in it, one line an entry: path, type, mode, owner, size, time of change, where a link
    /// leads, sum of the data. As find(1) and sha256sum(1) see it, which have no line of ours.
    package func listing(of folder: String = ".") throws -> String {
        let format = #"%P|%y|%m|%U:%G|%s|%T@|%l\0"#
        return try shell(
            """
            cd '\(folder)'
            find . \\( -type d -printf '%P|%y|%m|%U:%G||%T@|\\0' \\) -o -printf '\(format)' | sort -z
            find . -type f -print0 | sort -z | xargs -0r sha256sum
            """)
    }

    /// Runs a script with `path` as its `$0`.
    private static func run(_ script: String, _ path: String) throws -> String {
        let nothing = try FileDescriptor.open("/dev/null", flags: 2)
        let child = try ChildProcess(
            path: "/bin/sh",
            arguments: ["-c", "exec > \"$0.out\" 2>&1; set -e; \(script)", path],
            environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"],
            descriptors: [nothing.rawValue, nothing.rawValue, nothing.rawValue])
        let end = try TestProcess.end(of: child, script)
        let bytes = (try? HostFacts.read(path + ".out", at: 0, count: 4 << 20)) ?? []
        let text = String(decoding: bytes, as: UTF8.self)
        guard end == .exited(0) else {
            throw Failure(description: "\(script.prefix(200)): \(end): \(text.suffix(500))")
        }
        return text
    }
}

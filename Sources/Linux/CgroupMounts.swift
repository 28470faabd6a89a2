// SPDX-License-Identifier: Apache-2.0

/// Where the host has its control groups. cgroups(7).
///
/// Machines mount one tree (version 2), one a controller (version 1), or both side by side.
package struct CgroupMounts: Hashable, Sendable {
    /// A mounted tree.
    package struct Tree: Hashable, Sendable {
        package let path: String
        /// Version 1: its controllers. Version 2: none.
        package let controllers: Set<String>
        package let version: CgroupVersion
    }

    package let trees: [Tree]

    /// - Parameter lines: Of `/proc/self/mounts`.
    package init(_ lines: [Substring]) {
        trees = lines.compactMap { line in
            let words = line.split(separator: " ")
            guard words.count >= 4 else { return nil }
            let path = Self.unescaped(words[1])
            switch words[2] {
            case "cgroup2": return Tree(path: path, controllers: [], version: .second)
            case "cgroup":
                let options = words[3].split(separator: ",").map(String.init)
                return Tree(path: path, controllers: Set(options), version: .first)
            default: return nil
            }
        }
    }

    package func tree(of controller: String) -> Tree? {
        trees.first { $0.version == .first && $0.controllers.contains(controller) }
    }

    package var unified: Tree? { trees.first { $0.version == .second } }

    /// The kernel writes blanks and backslashes of a path as `\` and three octal digits.
    private static func unescaped(_ word: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = word.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Which of the kernel's two interfaces.
package enum CgroupVersion: Int, Hashable, Sendable {
    case first = 1
    case second = 2
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The checkout that these tests were built from.
enum Checkout {
    static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func path(_ relative: String) -> String { root.appending(path: relative).path }

    /// Paths of all Swift files below `folder`, relative to the root, in order.
    static func swiftFiles(in folder: String) throws -> [String] {
        let all = try FileManager.default.subpathsOfDirectory(atPath: path(folder))
        let files = all.filter { $0.hasSuffix(".swift") }.map { folder + "/" + $0 }.sorted()
        try #require(!files.isEmpty, "\(folder) has no Swift files")
        return files
    }

    static func text(of file: String) throws -> String {
        try String(contentsOf: root.appending(path: file), encoding: .utf8)
    }

    /// Lines of a Swift file without line comments and without what stands in quotation marks.
    static func code(of file: String) throws -> [Substring] {
        let text = try text(of: file)
            .replacing(#/"(?:[^"\\\n]|\\.)*"/#, with: "")
            .replacing(#///[^\n]*/#, with: "")
        return text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// A line of code without the names of enumeration cases, which may be those of keywords.
    static func withoutCases(_ line: Substring) -> String {
        String(line).replacing(#/(\.|\bcase )(unsafe|async)\b/#, with: "")
    }

    /// Modules that `file` imports.
    static func imports(of file: String) throws -> Set<String> {
        let kinds: Set<Substring> = [
            "struct", "class", "enum", "func", "protocol", "typealias", "var", "let",
        ]
        var modules: Set<String> = []
        for line in try code(of: file) {
            let words = line.split(separator: " ")
            guard let keyword = words.firstIndex(of: "import") else { continue }
            guard let name = words[(keyword + 1)...].first(where: { !kinds.contains($0) }) else {
                continue
            }
            modules.insert(String(name.prefix { $0 != "." }))
        }
        return modules
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Support

/// Makes guests of their sources in a folder below `Guest`.
struct Assembler {
    /// The assembler or linker refused: what it said.
    struct Refused: Error, CustomStringConvertible { let description: String }

    let sources: URL

    init(_ folder: String) {
        sources = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: folder)
    }

    /// The bytes that `ld` makes of a source with these arguments.
    func image(of source: String, link arguments: [String]) throws -> [UInt8] {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-guest-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let object = folder.appending(path: "guest.o").path
        let image = folder.appending(path: "guest.bin")
        try run("as", ["--64", "-o", object, source])
        try run("ld", arguments + ["--oformat", "binary", "-o", image.path, object])
        return [UInt8](try Data(contentsOf: image))
    }

    private func run(_ tool: String, _ arguments: [String]) throws {
        let (end, said) = try TestProcess.run(tool, arguments, in: sources.path)
        guard end == .exited(0) else { throw Refused(description: "\(tool): \(said)") }
    }
}

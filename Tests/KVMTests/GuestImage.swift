// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A small guest, assembled from its source in `Guest/tests`.
struct GuestImage {
    /// Where images are loaded, and begin.
    static let base: UInt64 = 0x10000

    let bytes: [UInt8]

    /// The assembler or linker refused: what it said.
    struct Refused: Error, CustomStringConvertible { let description: String }

    private static let sources = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Guest/tests")

    init(_ name: String) throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-guest-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let object = folder.appending(path: "guest.o").path
        let image = folder.appending(path: "guest.bin")
        try Self.run("as", ["--32", "-o", object, name + ".s"])
        try Self.run(
            "ld",
            ["-m", "elf_i386", "-T", "link.ld", "--oformat", "binary", "-o", image.path, object])
        bytes = [UInt8](try Data(contentsOf: image))
    }

    private static func run(_ tool: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [tool] + arguments
        process.currentDirectoryURL = sources
        let error = Pipe()
        process.standardError = error
        try process.run()
        let said = try error.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Refused(description: "\(tool): \(String(decoding: said, as: UTF8.self))")
        }
    }
}

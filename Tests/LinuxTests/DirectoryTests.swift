// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

@testable import Linux

@Suite struct DirectoryTests {
    /// A folder that goes with the test.
    private final class Scratch {
        let url = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-directory-\(UUID().uuidString)")

        init() throws {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(at: url) }

        func path(_ name: String) -> String { url.appending(path: name).path }

        func put(_ text: String, at name: String) throws {
            try Data(text.utf8).write(to: url.appending(path: name))
        }
    }

    @Test func `A link is followed to the directory itself, and never below it`() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(
            atPath: scratch.path("real/inner"), withIntermediateDirectories: true)
        try scratch.put("text", at: "real/file")
        for (name, target) in [("link", "real"), ("real/to", "inner"), ("real/up", "..")] {
            try FileManager.default.createSymbolicLink(
                atPath: scratch.path(name), withDestinationPath: target)
        }
        let directory = try Directory(trusting: scratch.path("link"))
        #expect(try directory.text(of: "file") == "text")
        #expect(try directory.directory("inner").status().kind == .directory)
        for name in ["to", "up", "..", "../real", "/", "/etc", "inner/../../real"] {
            #expect(throws: Errno.self, "\(name)") { _ = try directory.directory(name) }
        }
        #expect(try directory.status(of: "to").kind == .link)
    }

    @Test func `A file is made only where nothing is`() throws {
        let scratch = try Scratch()
        let directory = try Directory(trusting: scratch.url.path)
        try scratch.put("old", at: "file")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path("link"), withDestinationPath: scratch.path("made"))
        for name in ["file", "link"] {
            #expect(throws: Errno.exists) { _ = try directory.create(name, mode: 0o600) }
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.path("made")))
        let file = try directory.create("new", mode: 0o600)
        #expect(try file.status().mode == 0o600)
        #expect(try directory.makeDirectory("folder", mode: 0o700))
        #expect(try !directory.makeDirectory("folder", mode: 0o700))
        #expect(try !directory.makeDirectory("file", mode: 0o700))
    }

    /// The directory that is held is the one that was meant, wherever it goes.
    @Test func `A directory that is moved is still the same`() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(
            atPath: scratch.path("a"), withIntermediateDirectories: true)
        let directory = try Directory(trusting: scratch.path("a"))
        try FileManager.default.moveItem(atPath: scratch.path("a"), toPath: scratch.path("b"))
        try FileManager.default.createDirectory(
            atPath: scratch.path("a"), withIntermediateDirectories: true)
        _ = try directory.create("file", mode: 0o600)
        #expect(FileManager.default.fileExists(atPath: scratch.path("b/file")))
        try directory.remove("file")
        #expect(!FileManager.default.fileExists(atPath: scratch.path("b/file")))
    }

    // MARK: Programs

    /// The beginning of an ELF file with one part to load, of so many bytes.
    private func program(
        partOffset: UInt64 = 0, partSize: UInt64 = 200, tableOffset: UInt64 = 64,
        tableCount: UInt16 = 1, entrySize: UInt16 = 56
    ) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1000)
        func set<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
            for byte in 0..<Value.bitWidth / 8 {
                bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * Value(byte)))
            }
        }
        bytes.replaceSubrange(0..<7, with: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
        set(tableOffset, at: 32)
        set(entrySize, at: 54)
        set(tableCount, at: 56)
        set(UInt32(1), at: 64)
        set(partOffset, at: 72)
        set(partSize, at: 96)
        for index in 120..<1000 { bytes[index] = UInt8(index & 0xff) }
        return bytes
    }

    private func copied(_ bytes: [UInt8]) throws -> [UInt8] {
        let scratch = try Scratch()
        try Data(bytes).write(to: scratch.url.appending(path: "from"))
        let directory = try Directory(trusting: scratch.url.path)
        let source = try directory.open("from", flags: FileSystem.readingAtOnce)
        do {
            let target = try directory.create("to", mode: 0o600)
            try source.copyProgram(to: target)
        }
        return Array(try Data(contentsOf: scratch.url.appending(path: "to")))
    }

    @Test func `A program is copied as far as the kernel needs it`() throws {
        let bytes = program()
        #expect(try copied(bytes) == Array(bytes.prefix(200)))
        let later = program(partOffset: 300, partSize: 400)
        #expect(try copied(later) == Array(later.prefix(700)))
    }

    @Test func `A file that only looks like a program is copied whole`() throws {
        for bytes in [
            program(partOffset: .max, partSize: 2), program(partOffset: 1, partSize: .max - 1),
            program(tableOffset: .max), program(tableOffset: 990), program(tableCount: 65),
            program(entrySize: 32), program(partSize: 5000), Array("#!/bin/sh\n".utf8), [0x7f],
        ] { #expect(try copied(bytes) == bytes) }
    }

    @Test func `A real program that was copied runs`() throws {
        let scratch = try Scratch()
        let directory = try Directory(trusting: scratch.url.path)
        let source = try FileDescriptor.open("/bin/true")
        do {
            let target = try directory.create("copy", mode: 0o700)
            try source.copyProgram(to: target)
        }
        let child = try ChildProcess(path: scratch.path("copy"), arguments: [], descriptors: [])
        #expect(try TestProcess.end(of: child, "a copy of true") == .exited(0))
    }
}

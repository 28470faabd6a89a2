// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Bad input from outside: one sentence, status 125, nothing started.
@Suite struct RefusalTests {
    struct BadFile: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let contents: Data?
    }

    static let files = [
        BadFile(testDescription: "missing", contents: nil),
        BadFile(testDescription: "empty", contents: Data()),
        BadFile(testDescription: "a few bytes", contents: Data([0x7f, 0x45, 0x4c])),
        BadFile(testDescription: "text", contents: Data(repeating: 0x41, count: 65536)),
        BadFile(
            testDescription: "ELF header and nothing more",
            contents: Data([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]) + Data(repeating: 0, count: 9)
                + Data([2, 0, 62, 0, 1, 0, 0, 0]) + Data(repeating: 0xff, count: 40)),
        BadFile(
            testDescription: "ELF for another processor",
            contents: Data([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]) + Data(repeating: 0, count: 9)
                + Data([2, 0, 183, 0, 1, 0, 0, 0]) + Data(repeating: 0, count: 4096)),
    ]

    @Test(arguments: files)
    func `A bad kernel is one sentence and 125`(_ file: BadFile) throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-kernel-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: path) }
        try file.contents?.write(to: path)

        let result = try Program.swiftlet("--kernel", path.path, "--", "true", seconds: 30)
        #expect(result.status == 125)
        #expect(result.output.isEmpty)
        #expect(result.errorText.hasPrefix("swiftlet: "))
        #expect(result.errorText.split(separator: "\n").count == 1, "\(result.errorText)")
    }

    struct BadOptions: CustomTestStringConvertible, Sendable {
        let options: [String]
        init(_ options: String...) { self.options = options }
        var testDescription: String { options.joined(separator: " ") }
    }

    @Test(arguments: [
        BadOptions("--cpus", "0", "--", "true"),
        BadOptions("--cpus", "many", "--", "true"),
        BadOptions("--memory", "1M", "--", "true"),
        BadOptions("--memory", "100000G", "--", "true"),
        BadOptions("--memory", "fast", "--", "true"),
        BadOptions("--engine", "steam", "--", "true"),
        BadOptions("--initrd", "/nonexistent", "--", "true"),
        BadOptions("--append", String(repeating: "x", count: 5000), "--", "true"),
        BadOptions("--timeout", "soon", "--", "true"),
        BadOptions("-it", "--", "true"),
        BadOptions("--no-such-option", "--", "true"),
        BadOptions(),
    ])
    func `Bad options are refused with 125`(_ bad: BadOptions) throws {
        let result = try Program.run(
            try Built.file("bin/swiftlet"), ["run"] + bad.options, seconds: 30)
        #expect(result.status == 125)
        #expect(result.output.isEmpty)
        #expect(!result.errorText.isEmpty)
    }
}

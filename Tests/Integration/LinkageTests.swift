// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@Suite struct LinkageTests {
    /// Beginnings of symbols that only come with a library which stays above the trust line.
    private static let wide = [
        "$s10Foundation", "$s20FoundationEssentials", "$s8Dispatch", "$s12_Concurrency",
        "$s7NIOCore", "$s8NIOPosix", "dispatch_", "_dispatch_", "swift_task_create",
        "swift_task_alloc", "swift_job_run", "swift_asyncLet_",
    ]

    /// Whether the file at `path` asks for a loader or a shared library; also checks that it is ELF.
    private static func isDynamic(_ path: String) throws -> Bool {
        let result = try Program.run("readelf", ["-lW", path])
        try #require(result.status == 0, "\(result.errorText)")
        return result.outputText.contains("INTERP") || result.outputText.contains("DYNAMIC")
    }

    @Test(arguments: ["swiftlet-vmm", "swiftlet-jailer"])
    func `The monitor and its jailer are static`(_ name: String) throws {
        #expect(try !Self.isDynamic(try Built.file("bin/" + name)))
    }

    @Test(arguments: ["swiftlet-vmm", "swiftlet-jailer"])
    func `They hold nothing of Foundation, Dispatch, NIO or _Concurrency`(
        _ name: String
    ) throws {
        let result = try Program.run("nm", [try Built.file("bin/" + name)])
        let symbols = result.outputText.split(separator: "\n")
            .compactMap { $0.split(separator: " ").last }
        // A stripped program would pass without having been looked at.
        try #require(symbols.count > 1000)
        for symbol in symbols {
            let isWide = Self.wide.contains(where: symbol.hasPrefix)
            #expect(!isWide, "\(symbol)")
        }
    }

    /// A handler that called its successor, where it should end in a jump to it, would leave a frame
    /// on the stack for each instruction of the guest.
    @Test func `Handlers of the software processor jump to the next one`() throws {
        let code = try Program.run(
            "objdump", ["-d", "--no-show-raw-insn", try Built.file("bin/swiftlet-vmm")])
        let families = [
            "ALUTable", "BitHandlers", "BranchHandlers", "MoveHandlers",
            "MultiplyHandlers", "ShiftTable", "StackHandlers", "UnaryTable",
        ].map { "8Emulator\($0.utf8.count)\($0)O" }
        var jumps = 0
        var handler: Substring?
        for line in code.outputText.split(separator: "\n") {
            if line.hasSuffix(">:") {
                let isHandler = families.contains(where: line.contains)
                handler = isHandler && line.contains("S2u_SutcfU") ? line : nil
            } else if let handler {
                if line.contains("jmp    *%r") { jumps += 1 }
                #expect(!line.contains("call   *"), "\(handler) \(line)")
            }
        }
        #expect(jumps > 300)
    }

    @Test func `The agent is static and at most 500 KB`() throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-agent-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let build = try Program.run(
            "Guest/initramfs/agent.sh", [path], seconds: 300)
        try #require(build.status == 0, "\(build.errorText)")

        #expect(try !Self.isDynamic(path))
        let bytes = try Data(contentsOf: URL(filePath: path))
        #expect(bytes.count <= 500_000)
        for word in ["Foundation", "libdispatch", "_Concurrency"] {
            #expect(bytes.range(of: Data(word.utf8)) == nil, "\(word)")
        }
    }
}

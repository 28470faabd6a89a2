// SPDX-License-Identifier: Apache-2.0

/// A terminal's size in character cells.
package struct TerminalSize: Equatable, Sendable {
    package var rows: UInt16
    package var columns: UInt16

    package init(rows: UInt16, columns: UInt16) {
        self.rows = rows
        self.columns = columns
    }
}

/// A command for the agent to run.
///
/// Strings are bytes without a zero byte, as Linux sees them. All of them together, with four
/// bytes each for their lengths, fit into `AgentProtocol.requestLimit`.
package struct ExecRequest: Equatable, Sendable {
    /// Most strings in `arguments`, and most in `environment`.
    package static var stringLimit: Int { 4096 }

    /// The command and its arguments; at least one, the first not empty.
    ///
    /// A first argument without a slash is looked up in the guest's `PATH`.
    package var arguments: [[UInt8]]

    /// `NAME=value` each; they come on top of the agent's own defaults.
    package var environment: [[UInt8]] = []

    /// Where the command starts; empty for `/`.
    package var workingDirectory: [UInt8] = []

    /// The size of the command's terminal; without it the command gets pipes.
    package var terminal: TerminalSize?

    /// Whether input follows; without it the command reads an empty file.
    ///
    /// A terminal always takes input.
    package var wantsInput = false

    package init(arguments: [[UInt8]]) {
        self.arguments = arguments
    }

    /// A request with its strings in UTF-8.
    package init(_ arguments: [String], environment: [String] = [], workingDirectory: String = "") {
        self.arguments = arguments.map { Array($0.utf8) }
        self.environment = environment.map { Array($0.utf8) }
        self.workingDirectory = Array(workingDirectory.utf8)
    }
}

/// Layout: flags (1: terminal, 2: input), a zero byte, rows, columns, number of arguments, number
/// of environment strings (two bytes each); then the directory, arguments and environment, each as
/// four bytes of length and its bytes.
extension ExecRequest {
    static var terminalFlag: UInt8 { 1 }
    static var inputFlag: UInt8 { 2 }

    init(payload: ArraySlice<UInt8>, kind: UInt16) throws(FrameError) {
        var reader = ByteReader(payload, kind: kind)
        let flags = try reader.integer(UInt8.self)
        guard flags & ~(Self.terminalFlag | Self.inputFlag) == 0 else {
            throw .value(kind: kind, value: UInt32(flags))
        }
        let zero = try reader.integer(UInt8.self)
        guard zero == 0 else { throw .value(kind: kind, value: UInt32(zero)) }
        let rows = try reader.integer(UInt16.self)
        let columns = try reader.integer(UInt16.self)
        let argumentCount = try reader.integer(UInt16.self)
        let environmentCount = try reader.integer(UInt16.self)
        workingDirectory = try Self.string(&reader)
        arguments = try Self.strings(argumentCount, &reader)
        environment = try Self.strings(environmentCount, &reader)
        try reader.end()
        terminal =
            flags & Self.terminalFlag != 0 ? TerminalSize(rows: rows, columns: columns) : nil
        wantsInput = flags & Self.inputFlag != 0
        try check()
    }

    func encode(into bytes: inout [UInt8]) {
        var flags: UInt8 = 0
        if terminal != nil { flags |= Self.terminalFlag }
        if wantsInput { flags |= Self.inputFlag }
        bytes.append(flags)
        bytes.append(0)
        bytes.append(integer: terminal?.rows ?? 0)
        bytes.append(integer: terminal?.columns ?? 0)
        bytes.append(integer: UInt16(truncatingIfNeeded: arguments.count))
        bytes.append(integer: UInt16(truncatingIfNeeded: environment.count))
        Self.append(workingDirectory, to: &bytes)
        for string in arguments { Self.append(string, to: &bytes) }
        for string in environment { Self.append(string, to: &bytes) }
    }

    /// Throws for a request that no command can be started from.
    func check() throws(FrameError) {
        guard arguments.count <= Self.stringLimit else { throw .tooMany(arguments.count) }
        guard environment.count <= Self.stringLimit else { throw .tooMany(environment.count) }
        guard let command = arguments.first, !command.isEmpty else { throw .text }
        try Self.checkText(workingDirectory)
        for string in arguments { try Self.checkText(string) }
        for string in environment { try Self.checkText(string) }
    }

    /// Bytes of the payload that `encode(into:)` makes.
    var encodedLength: Int {
        var length = 10 &+ 4 &+ workingDirectory.count
        for string in arguments { length = length &+ 4 &+ string.count }
        for string in environment { length = length &+ 4 &+ string.count }
        return length
    }

    private static func checkText(_ string: [UInt8]) throws(FrameError) {
        guard !string.contains(0) else { throw .text }
    }

    private static func append(_ string: [UInt8], to bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(truncatingIfNeeded: string.count))
        bytes.append(contentsOf: string)
    }

    private static func string(_ reader: inout ByteReader) throws(FrameError) -> [UInt8] {
        try reader.bytes(try reader.integer(UInt32.self))
    }

    private static func strings(
        _ count: UInt16, _ reader: inout ByteReader
    ) throws(FrameError) -> [[UInt8]] {
        guard Int(count) <= stringLimit else { throw .tooMany(Int(count)) }
        var strings: [[UInt8]] = []
        for _ in 0..<count { strings.append(try string(&reader)) }
        return strings
    }
}

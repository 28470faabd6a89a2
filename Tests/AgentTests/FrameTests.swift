// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Agent

@Suite struct FrameTests {
    static let request: ExecRequest = {
        var request = ExecRequest(
            ["sh", "-c", "exit 7"], environment: ["A=b", "EMPTY="], workingDirectory: "/tmp")
        request.terminal = TerminalSize(rows: 24, columns: 80)
        request.wantsInput = true
        return request
    }()

    static let frames: [Frame] = [
        .hello(version: 1),
        .refused(Refusal(.malformed)),
        .refused(Refusal(.system, detail: 22)),
        .ping(0), .pong(.max), .done,
        .setClock(nanoseconds: 1_700_000_000_000_000_000),
        .shutDown(.powerOff), .shutDown(.restart),
        .execute(request),
        .execute(ExecRequest(["true"])),
        .input([]), .input([1, 2, 3]), .endOfInput, .inputCredit(65536),
        .output(Array(repeating: 7, count: AgentProtocol.payloadLimit)),
        .errorOutput([0]),
        .resize(TerminalSize(rows: 1, columns: 65535)),
        .signal(1), .signal(64),
        .ended(.exited(255)), .ended(.killed(signal: 9)),
        .ended(.notStarted(StartFailure(step: .execute, errno: 2))),
        .connect(port: 80), .connected,
        .sendTree(path: Array("/etc".utf8)),
        .takeTree(TreeDestination(path: Array("/tmp/".utf8), name: Array("etc".utf8))),
        .takeTree(TreeDestination(path: Array("/tmp".utf8), name: [], isContents: true)),
        .entry(TreeEntry(.directory, name: [], mode: 0o755)), .entry(link), .endOfEntry,
        .entry(TreeEntry(.file, name: Array(repeating: 0xff, count: 255), mode: 0o7777)),
        .entry(TreeEntry(.other, name: Array("null".utf8))),
        .data([]), .data(Array(repeating: 7, count: AgentProtocol.payloadLimit)),
        .treeFault(TreeFault(.write, errno: 28, entry: 1 << 40)),
        .treeFault(TreeFault(.size)),
        .sendArchive(path: Array("/etc".utf8)),
        .takeArchive(TreeDestination(path: Array("/tmp".utf8), name: [], isContents: true)),
        .entry(hardLink), .size(.max),
        .unknown(kind: 99),
    ]

    static let link: TreeEntry = {
        var link = TreeEntry(.link, name: Array("mtab".utf8), mode: 0o777)
        link.owner = .max
        link.group = 5
        link.seconds = -1
        link.nanoseconds = 999_999_999
        link.target = Array("../proc/self/mounts".utf8)
        return link
    }()

    static let hardLink: TreeEntry = {
        var link = TreeEntry(.hardLink, name: Array("same".utf8))
        link.target = Array("sub/file".utf8)
        return link
    }()

    @Test(arguments: frames)
    func `A frame comes back as it was sent`(_ frame: Frame) throws {
        var decoder = FrameDecoder(payloadLimit: AgentProtocol.requestLimit)
        let bytes = try frame.encoded()
        var rest = bytes[...]
        var decoded: Frame?
        while !rest.isEmpty {
            rest = rest.dropFirst(decoder.append(rest))
            decoded = try decoder.next()
        }
        #expect(decoded == frame)
        #expect(decoder.pendingCount == 0)
        #expect(try decoder.next() == nil)
    }

    @Test func `Every kind has a frame in the table`() {
        let kinds = Set(Self.frames.map(\.kind))
        for kind in FrameKind.allCases { #expect(kinds.contains(kind.rawValue)) }
    }

    /// The bytes of the wire, written out: they are a contract with guests built earlier.
    static let layouts: [(Frame, [UInt8])] = [
        (.hello(version: 1), [8, 0, 0, 0, 1, 0, 0, 0, 0x53, 0x57, 0x46, 0x54, 1, 0, 0, 0]),
        (.done, [0, 0, 0, 0, 5, 0, 0, 0]),
        (.ping(0x0102), [8, 0, 0, 0, 3, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]),
        (
            .resize(TerminalSize(rows: 24, columns: 80)),
            [4, 0, 0, 0, 22, 0, 0, 0, 24, 0, 80, 0]
        ),
        (.connect(port: 0x1f90), [2, 0, 0, 0, 32, 0, 0, 0, 0x90, 0x1f]),
        (
            .entry(link),
            [55, 0, 0, 0, 50, 0, 0, 0]
                + [3, 0, 0xff, 1, 255, 255, 255, 255, 5, 0, 0, 0]
                + [255, 255, 255, 255, 255, 255, 255, 255, 0xff, 0xc9, 0x9a, 0x3b]
                + [4, 0, 0, 0] + Array("mtab".utf8)
                + [19, 0, 0, 0] + Array("../proc/self/mounts".utf8)
        ),
        (
            .takeTree(TreeDestination(path: [0x2f], name: [0x61], isContents: true)),
            [14, 0, 0, 0, 49, 0, 0, 0] + [1, 0, 0, 0]
                + [1, 0, 0, 0, 0x2f] + [1, 0, 0, 0, 0x61]
        ),
        (
            .treeFault(TreeFault(.write, errno: 28, entry: 2)),
            [16, 0, 0, 0, 53, 0, 0, 0] + [4, 0, 0, 0, 28, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
        ),
        (.sendArchive(path: [0x2f]), [1, 0, 0, 0, 54, 0, 0, 0, 0x2f]),
        (
            .takeArchive(TreeDestination(path: [0x2f], name: [], isContents: true)),
            [13, 0, 0, 0, 55, 0, 0, 0] + [1, 0, 0, 0] + [1, 0, 0, 0, 0x2f] + [0, 0, 0, 0]
        ),
        (.size(0x0102), [8, 0, 0, 0, 56, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]),
        (
            .entry(hardLink),
            [44, 0, 0, 0, 50, 0, 0, 0] + [5, 0, 0, 0] + [UInt8](repeating: 0, count: 20)
                + [4, 0, 0, 0] + Array("same".utf8) + [8, 0, 0, 0] + Array("sub/file".utf8)
        ),
        (.ended(.exited(7)), [8, 0, 0, 0, 24, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0]),
        (
            .execute(ExecRequest(["a"], environment: ["B="], workingDirectory: "/")),
            [26, 0, 0, 0, 16, 0, 0, 0]
                + [0, 0, 0, 0, 0, 0, 1, 0, 1, 0]
                + [1, 0, 0, 0, 0x2f]
                + [1, 0, 0, 0, 0x61]
                + [2, 0, 0, 0, 0x42, 0x3d]
        ),
    ]

    @Test(arguments: layouts)
    func `A frame has its bytes on the wire`(_ frame: Frame, _ bytes: [UInt8]) throws {
        #expect(try frame.encoded() == bytes)
    }

    @Test func `A payload over its limit is not encoded`() {
        let data = [UInt8](repeating: 0, count: AgentProtocol.payloadLimit + 1)
        var bytes: [UInt8] = [1, 2, 3]
        #expect(throws: FrameError.tooLong(kind: 20, length: 65537)) {
            try Frame.output(data).encode(into: &bytes)
        }
        #expect(bytes == [1, 2, 3])
    }

    static let unfit: [Frame] = [
        .connect(port: 0), .sendTree(path: []), .sendTree(path: [0x2f, 0]),
        .sendTree(path: Array(repeating: 0x61, count: 4096)),
        .takeTree(TreeDestination(path: [0x2f], name: [])),
        .takeTree(TreeDestination(path: [], name: [0x61])),
        .takeTree(TreeDestination(path: [0x2f], name: Array("..".utf8), isContents: true)),
        .entry(TreeEntry(.file, name: Array("a/b".utf8))),
        .entry(TreeEntry(.link, name: [0x61])),
        .sendArchive(path: []), .takeArchive(TreeDestination(path: [0x2f], name: [])),
    ]

    @Test(arguments: ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0"])
    func `A hard link leads down from the tree's root`(_ target: String) {
        var link = Self.hardLink
        link.target = Array(target.utf8)
        #expect(throws: FrameError.text) { try Frame.entry(link).encoded() }
    }

    @Test(arguments: unfit)
    func `A frame that nobody could obey is not encoded`(_ frame: Frame) {
        #expect(throws: FrameError.self) { try frame.encoded() }
    }

    static let unsendable: [(ExecRequest, FrameError)] = [
        (ExecRequest([]), .text),
        (ExecRequest([""]), .text),
        (ExecRequest(["a\0b"]), .text),
        (ExecRequest(["a"], environment: ["B=\0"]), .text),
        (ExecRequest(["a"], workingDirectory: "\0"), .text),
        (ExecRequest(Array(repeating: "a", count: 4097)), .tooMany(4097)),
        (ExecRequest(["a"], environment: Array(repeating: "a", count: 4097)), .tooMany(4097)),
        (
            ExecRequest([String(repeating: "a", count: 1 << 20)]),
            .tooLong(kind: 16, length: (1 << 20) + 18)
        ),
    ]

    @Test(arguments: unsendable)
    func `A request no command can come from is not encoded`(
        _ request: ExecRequest, _ error: FrameError
    ) {
        #expect(throws: error) { try Frame.execute(request).encoded() }
    }

    static let ends: [(CommandEnd, Int32)] = [
        (.exited(0), 0), (.exited(7), 7), (.killed(signal: 9), 137),
        (.notStarted(StartFailure(step: .execute, errno: 2)), 127),
        (.notStarted(StartFailure(step: .execute, errno: 13)), 126),
        (.notStarted(StartFailure(step: .directory, errno: 2)), 126),
        (.notStarted(StartFailure(step: .process, errno: 12)), 126),
    ]

    @Test(arguments: ends)
    func `An end has the status that shells give it`(_ end: CommandEnd, _ status: Int32) {
        #expect(end.exitStatus == status)
    }

    static let messages: [(StartFailure, String)] = [
        (StartFailure(step: .execute, errno: 2), #"exec: "foo": not found"#),
        (StartFailure(step: .execute, errno: 13), #"exec: "foo": permission denied"#),
        (StartFailure(step: .execute, errno: 8), #"exec: "foo": exec format error"#),
        (
            StartFailure(step: .directory, errno: 2),
            #"exec: "foo": cannot enter directory "/x": no such file or directory"#
        ),
        (
            StartFailure(step: .process, errno: 999),
            #"exec: "foo": cannot start a process in the guest: error 999"#
        ),
    ]

    @Test(arguments: messages)
    func `A command that did not start says why`(_ failure: StartFailure, _ text: String) {
        #expect(failure.message(for: ExecRequest(["foo"], workingDirectory: "/x")) == text)
    }
}

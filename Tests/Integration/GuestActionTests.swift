// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// What a guest is told and tells: keys, the boot timer; and files that are no kernel.
@Suite struct GuestActionTests {
    static let press = #"{"action_type":"SendCtrlAltDel"}"#

    /// Sends what it reads from the keyboard to the serial port, for ever.
    ///
    ///     wait: in al, 0x64; test al, 1; jz wait; in al, 0x60; mov dx, 0x3f8; out dx, al; jmp wait
    static let echoing: [UInt8] = [
        0xe4, 0x64, 0xa8, 0x01, 0x74, 0xfa, 0xe4, 0x60, 0x66, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf1,
    ]

    /// Writes 123 to the boot timer and pulls the reset line: mov eax, 0xc0000000; mov byte [rax], 123
    static let timed: [UInt8] =
        [0xb8, 0, 0, 0, 0xc0, 0xc6, 0x00, 123] + LongModeKernel.resetting

    private func start(
        _ monitor: APIMonitor, _ code: [UInt8], _ settings: [(String, String)] = []
    ) throws -> LongModeKernel {
        let kernel = try LongModeKernel(code)
        let client = try monitor.client()
        let boot = "{\"kernel_image_path\":\"\(kernel.path)\"}"
        for (path, body) in settings + [("/boot-source", boot)] {
            let reply = try client.ask("PUT", path, body)
            try #require(reply.status == 204, "\(path): \(reply)")
        }
        // A guest that ends at once may end the monitor before its answer.
        _ = try? client.ask("PUT", "/actions", APITests.started)
        return kernel
    }

    @Test func `Ctrl-Alt-Del comes to the guest's keyboard, key by key`() throws {
        let monitor = try APIMonitor()
        let console = URL(filePath: monitor.path("console"))
        let kernel = try start(
            monitor, Self.echoing, [("/serial", "{\"serial_out_path\":\"\(console.path)\"}")])
        defer { withExtendedLifetime(kernel) {} }
        let client = try monitor.client()
        // Down and up again, in codes of set 1.
        let codes: [UInt8] = [0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d]
        for times in 1...2 {
            let reply = try client.ask("PUT", "/actions", Self.press)
            #expect(reply.status == 204, "\(reply)")
            let wanted = Data((0..<times).flatMap { _ in codes })
            let came = RunningProgram.wait(seconds: 30) {
                (try? Data(contentsOf: console)) == wanted
            }
            #expect(came, "\((try? Data(contentsOf: console)).map(Array.init) ?? [])")
        }
    }

    @Test func `A guest that reads no keys takes two presses, and then none`() throws {
        let (monitor, client, _) = try APITests.running()
        defer { withExtendedLifetime(monitor) {} }
        for _ in 0..<2 { #expect(try client.ask("PUT", "/actions", Self.press).status == 204) }
        let reply = try client.ask("PUT", "/actions", Self.press)
        #expect(reply.status == 400)
        #expect(reply.fault.contains("the guest does not read its keyboard"), "\(reply)")
    }

    @Test(arguments: [true, false])
    func `The log has the guest's boot time for who asks, and once`(_ isAsked: Bool) throws {
        let log = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-log-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: log) }
        let monitor = try APIMonitor(["--log-path", log] + (isAsked ? ["--boot-timer"] : []))
        let kernel = try start(monitor, Self.timed)
        defer { withExtendedLifetime(kernel) {} }
        let end = try monitor.process.end(seconds: 60)
        #expect(end.status == 0, "\(end.errorText)")
        let text = try String(contentsOfFile: log, encoding: .utf8)
        #expect(text.matches(of: #/Guest-boot-time = +\d+ us/#).count == (isAsked ? 1 : 0))
    }

    /// Kinds of files that are no kernel and no initrd.
    enum Kind: String, CaseIterable, Sendable { case pipe, device, folder, socket }

    @Test(arguments: Kind.allCases, [false, true])
    func `What is no regular file is no kernel and no initrd, and holds up nobody`(
        _ kind: Kind, isInitrd: Bool
    ) throws {
        let monitor = try APIMonitor()
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let path: String
        switch kind {
        case .pipe:
            path = monitor.path("pipe")
            try #require(Posix.mkfifo(path, 0o600) == 0)
        case .device: path = "/dev/zero"
        case .folder: path = monitor.folder.path
        case .socket: path = monitor.socket
        }
        let client = try monitor.client()
        let begun = ContinuousClock.now
        let boot =
            isInitrd
            ? "{\"kernel_image_path\":\"\(kernel.path)\",\"initrd_path\":\"\(path)\"}"
            : "{\"kernel_image_path\":\"\(path)\"}"
        let answers = [
            try client.ask("PUT", "/boot-source", boot),
            try client.ask("PUT", "/actions", APITests.started),
        ]
        #expect(ContinuousClock.now - begun < .seconds(20))
        #expect(answers[1].status == 400, "\(answers)")
        #expect(answers.contains { $0.fault.contains("cannot be opened") }, "\(answers)")
        #expect(try client.ask("GET", "/").json["state"] as? String == "Not started")
        let good = "{\"kernel_image_path\":\"\(kernel.path)\"}"
        #expect(try client.ask("PUT", "/boot-source", good).status == 204)
        #expect(try client.ask("PUT", "/actions", APITests.started).status == 204)
    }
}

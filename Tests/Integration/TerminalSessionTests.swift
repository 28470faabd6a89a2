// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// `swiftlet run -t`, as a person at a terminal uses it.
@Suite(.serialized) struct TerminalSessionTests {
    private func session(_ command: String...) throws -> PseudoTerminal {
        try PseudoTerminal(
            try Built.file("bin/swiftlet"), ["run", "-t", "--"] + command, rows: 24, columns: 80)
    }

    @Test func `A shell shows its prompt, keeps the size of its terminal, and is interrupted`()
        throws
    {
        let terminal = try session("sh")
        terminal.useShell(exit: 9)
        #expect(terminal.end() == 9)
    }

    @Test func `vi edits a file and writes it`() throws {
        let terminal = try session("sh", "-c", "vi /tmp/letter; cat /tmp/letter")
        #expect(terminal.shows("/tmp/letter"), "\(terminal.rest)")
        terminal.type("iDear reader,\rgood-bye\u{1b}")
        #expect(terminal.shows("good-bye"), "\(terminal.rest)")
        terminal.type(":wq\r")
        #expect(terminal.shows("Dear reader,\r\ngood-bye\r\n"), "\(terminal.rest)")
        #expect(terminal.end() == 0)
    }

    @Test func `less pages, goes to the end and leaves`() throws {
        let terminal = try session("sh", "-c", "seq 1000 > /tmp/n; less /tmp/n; echo left")
        #expect(terminal.shows("22\r\n"), "\(terminal.rest)")
        terminal.type(" ")
        #expect(terminal.shows("45"), "\(terminal.rest)")
        terminal.type("G")
        #expect(terminal.shows("1000"), "\(terminal.rest)")
        terminal.type("q")
        #expect(terminal.shows("left\r\n"), "\(terminal.rest)")
        #expect(terminal.end() == 0)
    }
}

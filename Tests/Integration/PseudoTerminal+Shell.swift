// SPDX-License-Identifier: Apache-2.0
import Testing

extension PseudoTerminal {
    /// Types what shows that the guest's shell behind it has a prompt, hears of the terminal's size,
    /// 24 by 80 at first, and is interrupted; then has it exit with `status`.
    func useShell(exit status: Int, at location: SourceLocation = #_sourceLocation) {
        func expect(_ text: String, _ complaint: String = "") {
            let isShown = shows(text)
            #expect(isShown, "\(complaint)\(rest)", sourceLocation: location)
        }
        expect("# ")
        type("stty size\r")
        expect("24 80")
        resize(rows: 40, columns: 132)
        expect("# ")
        type("stty size\r")
        expect("40 132")
        // Once it says so it is in the foreground; what is typed before that is for the shell.
        type("sh -c 'echo begun; sleep 1000'\r")
        expect("begun\r\n")
        type("\u{3}")
        expect("# ", "Ctrl-C did not reach the command: ")
        type("exit \(status)\r")
    }
}

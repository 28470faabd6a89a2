// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// The host's end of the serial console.
final class Console: Sendable {
    let input: CInt?
    let output: CInt?

    init(_ config: VMConfig) throws(APIFault) {
        if let path = config.serial?.outputPath {
            do throws(Errno) {
                // Open until the process ends.
                output = try FileSystem.openLog(path).release()
            } catch {
                throw APIFault("serial output \(path) cannot be opened: \(error)")
            }
            input = config.swiftlet.console?.input
        } else {
            let console = config.swiftlet.console ?? .init(input: 0, output: 1)
            input = console.input
            output = console.output
        }
    }

    /// A person at the console types to the guest, Ctrl-C included.
    func makeRaw() throws(Errno) {
        guard let input, Terminal.isTerminal(input) else { return }
        try Terminal.makeRaw(input)
    }

    func restore() {
        if let input, Terminal.isTerminal(input) { Terminal.restore() }
    }
}

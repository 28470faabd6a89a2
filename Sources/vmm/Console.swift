// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// The host's end of the serial console.
final class Console: Sendable {
    let input: CInt?
    let output: CInt?
    /// What ``output`` is, if it has a path; -1: no file. The serial port has a second descriptor.
    private let file: FileDescriptor

    init(_ config: VMConfig) throws(APIFault) {
        if let path = config.serial?.outputPath {
            do throws(Errno) {
                file = try FileSystem.openLog(path)
            } catch {
                throw APIFault("serial output \(path) cannot be opened: \(error)")
            }
            output = file.rawValue
            input = config.swiftlet.console?.input
        } else {
            file = FileDescriptor(adopting: -1)
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

// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Machine

@Suite struct CommandLineTests {
    @Test(
        arguments: [
            ("", "a b"), ("quiet", "quiet a b"), ("quiet -- -c x", "quiet a b -- -c x"),
            ("-- x  y", "a b -- x  y"), ("quiet x--y", "quiet x--y a b"),
        ])
    func `Words for the kernel stand before the arguments of init`(line: String, whole: String) {
        #expect(MachineConfiguration.commandLine(line, adding: ["a", "b"]) == whole)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Machine

@Suite struct CommandLineTests {
    @Test(
        arguments: [
            ("", "a b"), ("quiet", "quiet a b"), ("quiet -- -c x", "quiet a b -- -c x"),
            ("-- x  y", "a b -- x  y"), ("quiet x--y", "quiet x--y a b"),
            ("  ", "a b"), ("  -- x", "a b -- x"), ("--", "a b --"), ("q  ", "q   a b"),
            ("q --x --", "q --x a b --"), ("ä -- é", "ä a b -- é"),
            ("x=\u{600} -- y", "x=\u{600} a b -- y"), ("\u{600} --", "\u{600} a b --"),
        ])
    func `Words for the kernel stand before the arguments of init`(line: String, whole: String) {
        #expect(MachineConfiguration.commandLine(line, adding: ["a", "b"]) == whole)
    }

    @Test(arguments: ["", "quiet", "q  x -- -c y", "--", "a -- b --"])
    func `A line without further words stays as it is`(line: String) {
        #expect(MachineConfiguration.commandLine(line, adding: []) == line)
    }

    @Test(
        arguments: [
            ("", false), ("quiet virtio_mmio.device", false), ("vvirtio_mmio.device=1", true),
            ("quiet virtio_mmio.device=4K@0xd0000000:5", true),
        ])
    func `Devices that the line names are found`(line: String, isNamed: Bool) {
        #expect(MachineConfiguration.namesDevices(line) == isNamed)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// `--deterministic`: two runs are one.
@Suite(.serialized) struct DeterminismTests {
    /// The console and the instruction count of a boot that nobody outside touches.
    private static func boot() throws -> (console: String, instructions: Substring) {
        let result = try Program.swiftlet(
            "-v", "--deterministic", "--kernel", try Built.file("bin/guest/vmlinux"), "--initrd",
            try Built.file("bin/guest/initramfs.cpio"), "--append", "swiftlet.ready=poweroff")
        #expect(result.status == 0, "\(result.errorText)")
        let count = result.errorText.firstMatch(
            of: #/machine ended, ([0-9,]+) guest instructions/#)
        return (result.outputText, try #require(count, "\(result.errorText)").1)
    }

    @Test func `The same guest takes the same instructions and says the same`() throws {
        let first = try Self.boot()
        let second = try Self.boot()
        #expect(first.instructions == second.instructions)
        #expect(first.console == second.console)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// `swiftlet run --engine kvm`, with a real kernel. Where KVM emulates guest kernels (PVM) a boot
/// takes a minute and more, and needs the software processor for what the emulator cannot do.
///
/// Skipped where there is no /dev/kvm that this process may open.
@Suite(.serialized) struct KVMRunTests {
    private static let isUsable = access("/dev/kvm", R_OK | W_OK) == 0
    private static let deadline: Double = 900

    @Test(
        .enabled(if: isUsable, "/dev/kvm is not there or may not be opened"),
        arguments: ["1", "2"])
    func `Linux boots on KVM and runs a command`(_ cpus: String) throws {
        let result = try Program.swiftlet(
            "--engine", "kvm", "--cpus", cpus, "--", "sh", "-c", "uname -s; nproc",
            seconds: Self.deadline)
        #expect(result.outputText == "Linux\n\(cpus)\n", "\(result.errorText)")
        #expect(result.status == 0)
    }
}

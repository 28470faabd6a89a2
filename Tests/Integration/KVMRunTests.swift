// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// `swiftlet run --engine kvm`, with a real kernel. Where KVM emulates guest kernels (PVM) a boot
/// takes a minute and more, and needs the software processor for what the emulator cannot do.
///
/// Skipped where there is no /dev/kvm that this process may open.
@Suite(.serialized) struct KVMRunTests {
    private static let isUsable = unsafe access("/dev/kvm", R_OK | W_OK) == 0
    private static let deadline: Double = 900

    @Test(
        .enabled(if: isUsable, "/dev/kvm is not there or may not be opened"),
        arguments: ["1", "2"])
    func `Linux boots on KVM and runs a command`(_ cpus: String) throws {
        let result = try Program.swiftlet(
            "-v", "--engine", "kvm", "--cpus", cpus, "--", "sh", "-c", "uname -s; nproc",
            seconds: Self.deadline)
        #expect(result.outputText == "Linux\n\(cpus)\n", "\(result.errorText)")
        #expect(result.status == 0)
        // What ran it, and where kernels are emulated, what was completed for KVM, by opcode.
        let lines = result.errorText.split(separator: "\n")
        let engine = try #require(lines.first { $0.hasPrefix("  engine: kvm") })
        let completed = lines.first { $0.hasPrefix("  completed by the software processor: ") }
        #expect((completed != nil) == engine.contains("PVM"))
        if let completed { #expect(completed.contains("0f 05")) }
    }

    /// POPCNT three times, which KVM's emulator does not know; then it sleeps.
    private static let counting: [UInt8] =
        [0xf3, 0x0f, 0xb8, 0xc1, 0xf3, 0x0f, 0xb8, 0xc1, 0xf3, 0x0f, 0xb8, 0xc1]
        + LongModeKernel.asleep

    @Test(
        .enabled(
            if: isUsable && FileManager.default.fileExists(atPath: "/sys/module/kvm_pvm"),
            "KVM does not emulate guest kernels here, or cannot be used"))
    func `Metrics count what was completed for KVM, by opcode`() throws {
        let monitor = try APIMonitor(engine: "kvm")
        defer { withExtendedLifetime(monitor) {} }
        let kernel = try LongModeKernel(Self.counting)
        let client = try monitor.client()
        let body = "{\"kernel_image_path\":\"\(kernel.path)\"}"
        #expect(try client.ask("PUT", "/boot-source", body).status == 204)
        #expect(try client.ask("PUT", "/actions", APITests.started).status == 204)
        let line = "swiftlet_completed_instructions_total{opcode=\"f3 0f b8\"} 3\n"
        let isCounted = RunningProgram.wait(seconds: 60) {
            (try? client.ask("GET", "/metrics").body.contains(line)) == true
        }
        #expect(isCounted)
    }
}

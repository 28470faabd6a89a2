// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// What the guest's processors are, as configuration files and requests change it.
@Suite struct CPUConfigTests {
    /// Boots Linux on `soft` with these parts of a configuration; what it says of its processors.
    private func cpuinfo(_ parts: String) throws -> [Substring] {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-cpu-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let script =
            "/bin/busybox mkdir -p /proc; /bin/busybox mount -t proc p /proc;"
            + " /bin/busybox cat /proc/cpuinfo; /bin/busybox sleep 2"
        let config = """
            {"boot-source": {"kernel_image_path": "\(try Built.file("bin/guest/vmlinux"))",
                "initrd_path": "\(try Built.file("bin/guest/initramfs.cpio"))",
                "boot_args": "console=ttyS0 quiet panic=-1 reboot=k rdinit=/bin/busybox -- sh -c \\"\(script)\\""},
             \(parts)}
            """
        try Data(config.utf8).write(to: file)
        let result = try Program.run(
            try Built.file("bin/swiftlet-vmm"),
            ["--no-api", "--engine", "soft", "--level", "Error", "--config-file", file.path])
        #expect(result.status == 0, "\(result.errorText)\(result.outputText.suffix(1000))")
        return result.outputText.split { $0 == "\n" || $0 == "\r\n" }
    }

    private func value(_ name: String, _ lines: [Substring]) -> String? {
        lines.first { $0.hasPrefix(name) }?.split(separator: ":").last?
            .trimmingCharacters(in: .whitespaces)
    }

    @Test func `A guest sees its processors as the configuration changes them`() throws {
        let plain = try cpuinfo(#""machine-config": {"vcpu_count": 2, "mem_size_mib": 128}"#)
        #expect(value("cpu cores", plain) == "2")
        #expect(value("siblings", plain) == "2")
        #expect(value("flags", plain)?.contains(" sse4_2 ") == true)

        // Leaf 1, ECX: SSE4.2 is bit 20. Of the brand only the first letter.
        let changed = try cpuinfo(
            #"""
            "machine-config": {"vcpu_count": 2, "mem_size_mib": 128, "smt": true},
            "cpu-config": {"cpuid_modifiers": [
                {"leaf": "0x1", "subleaf": "0x0", "flags": 0, "modifiers": [
                    {"register": "ecx", "bitmap": "0b0xxxx_xxxx_xxxx_xxxx_xxxx"}]},
                {"leaf": "0x80000002", "subleaf": "0x0", "flags": 0, "modifiers": [
                    {"register": "eax", "bitmap": "0b01011000"}]}],
                "msr_modifiers": [{"addr": "0x1a0", "bitmap": "0b0"}],
                "kvm_capabilities": ["!56"]}
            """#)
        #expect(value("cpu cores", changed) == "1")
        #expect(value("siblings", changed) == "2")
        #expect(value("flags", changed)?.contains(" sse4_2 ") == false)
        #expect(value("model name", changed)?.hasPrefix("Xwiftlet") == true)
    }

    @Test func `What the processor lacks is refused when the machine starts`() throws {
        let monitor = try APIMonitor()
        let client = try monitor.client()
        let kernel = try LongModeKernel(LongModeKernel.busy)
        _ = try client.ask("PUT", "/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}")
        for (config, name) in [
            (#"{"msr_modifiers":[{"addr":"0xdead","bitmap":"0b1"}]}"#, "register 0xdead"),
            (
                #"{"cpuid_modifiers":[{"leaf":"0x99","subleaf":"0x0","flags":0,"modifiers":[{"register":"eax","bitmap":"0b1"}]}]}"#,
                "CPUID leaf 0x99"
            ),
        ] {
            #expect(try client.ask("PUT", "/cpu-config", config).status == 204)
            let reply = try client.ask("PUT", "/actions", APITests.started)
            #expect(reply.status == 400)
            #expect(reply.fault.contains(name), "\(reply)")
        }
        #expect(try client.ask("PUT", "/cpu-config", "{}").status == 204)
        #expect(try client.ask("PUT", "/actions", APITests.started).status == 204)
    }

    @Test func `Static templates and odd threads are refused in a sentence`() throws {
        let monitor = try APIMonitor()
        defer { withExtendedLifetime(monitor) {} }
        let client = try monitor.client()
        let put = { try client.ask("PUT", "/machine-config", $0) }
        let template = try put(#"{"vcpu_count":1,"mem_size_mib":128,"cpu_template":"T2"}"#)
        #expect(template.fault.contains("describe the changes by /cpu-config"), "\(template)")
        let odd = try put(#"{"vcpu_count":3,"mem_size_mib":128,"smt":true}"#)
        #expect(odd.fault.contains("an even number if SMT is enabled"), "\(odd)")
        #expect(try put(#"{"vcpu_count":4,"mem_size_mib":128,"smt":true}"#).status == 204)
        let update = try client.ask("PATCH", "/machine-config", #"{"vcpu_count":5}"#)
        #expect(update.fault.contains("an even number if SMT is enabled"), "\(update)")
        #expect(try client.ask("GET", "/machine-config").json["smt"] as? Bool == true)
    }
}

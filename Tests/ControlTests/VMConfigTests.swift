// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct VMConfigTests {
    @Test func `Firecracker's keys and ours make a configuration`() throws {
        let text = """
            {
              "boot-source": {
                "kernel_image_path": "/boot/vmlinux", "initrd_path": "/boot/initrd",
                "boot_args": "console=ttyS0"
              },
              "machine-config": {
                "vcpu_count": 4, "mem_size_mib": 512, "smt": false, "huge_pages": "2M",
                "track_dirty_pages": true, "cpu_template": "None"
              },
              "vsock": { "guest_cid": 3, "uds_path": "@name", "vsock_id": "old" },
              "entropy": { "rate_limiter": null },
              "serial": { "serial_out_path": "/tmp/log" },
              "drives": [], "network-interfaces": [],
              "swiftlet": {
                "engine": "soft", "deterministic": true, "debug_exit": true, "prefault": true,
                "console": { "input": null, "output": 1 }, "report": 4
              }
            }
            """
        let config = try VMConfig(Array(text.utf8))

        var wanted = VMConfig(
            bootSource: BootSource(
                kernelPath: "/boot/vmlinux", initrdPath: "/boot/initrd",
                arguments: "console=ttyS0"),
            machine: MachineConfig(vcpuCount: 4, memorySize: 512))
        wanted.machine.hugePages = .twoMiB
        wanted.machine.tracksDirtyPages = true
        wanted.vsock = VsockConfig(guestCID: 3, path: "@name")
        wanted.entropy = EntropyConfig()
        wanted.serial = SerialConfig(outputPath: "/tmp/log")
        wanted.swiftlet.engine = .soft
        wanted.swiftlet.isDeterministic = true
        wanted.swiftlet.hasDebugExit = true
        wanted.swiftlet.prefaults = true
        wanted.swiftlet.console = .init(input: nil, output: 1)
        wanted.swiftlet.report = 4
        #expect(config == wanted)
        #expect(try VMConfig(config.json.bytes) == config)
    }

    @Test func `A kernel is enough`() throws {
        let config = try VMConfig(Array(#"{"boot-source":{"kernel_image_path":"k"}}"#.utf8))
        #expect(config.machine == MachineConfig(vcpuCount: 1, memorySize: 128))
        #expect(config.vsock == nil)
        #expect(config.swiftlet == SwiftletConfig())
    }

    @Test func `Every device of a file comes back from its text`() throws {
        let bucket = #"{"size":1,"one_time_burst":2,"refill_time":3}"#
        let limiter = #"{"bandwidth":\#(bucket),"ops":null}"#
        let text = """
            {
              "boot-source": {"kernel_image_path": "k"},
              "drives": [{
                "drive_id": "root", "is_root_device": true, "path_on_host": "/r",
                "partuuid": "0eaa91a0-01", "cache_type": "Writeback", "is_read_only": true,
                "io_engine": "Async", "rate_limiter": \(limiter), "discard": false
              }],
              "network-interfaces": [{
                "iface_id": "eth0", "host_dev_name": "tap0", "guest_mac": "06:00:ac:10:00:02",
                "mtu": 1500, "rx_rate_limiter": \(limiter)
              }],
              "pmem": [{"id": "p", "path_on_host": "/p", "rate_limiter": \(limiter)}],
              "balloon": {
                "amount_mib": 1, "deflate_on_oom": true, "free_page_hinting": true,
                "free_page_reporting": true, "stats_polling_interval_s": 65535
              },
              "memory-hotplug": {
                "total_size_mib": 1024, "block_size_mib": 4, "slot_size_mib": 256
              },
              "mmds-config": {
                "version": "V2", "network_interfaces": ["eth0"],
                "ipv4_address": "169.254.1.0", "imds_compat": true
              },
              "cpu-config": {
                "kvm_capabilities": ["121", "!56"],
                "cpuid_modifiers": [{
                  "leaf": "0x1", "subleaf": "0b0", "flags": 0,
                  "modifiers": [{"register": "ecx", "bitmap": "0b1x0"}]
                }],
                "msr_modifiers": [{"addr": "266", "bitmap": "0b0_1"}]
              },
              "logger": {"log_path": "/l", "level": "warning", "show_level": true},
              "metrics": {"metrics_path": "/m", "emit_id": true, "properties": {"a": "b"}},
              "serial": {"rate_limiter": \(bucket)}, "entropy": {"rate_limiter": \(limiter)}
            }
            """
        let config = try VMConfig(Array(text.utf8))
        #expect(config.drives.first?.rateLimiter?.bandwidth?.oneTimeBurst == 2)
        #expect(config.drives.first?.discards == false)
        #expect(config.logger?.level == .warn)
        guard case .here(let cpu) = config.cpu else {
            Issue.record("no processor configuration")
            return
        }
        #expect(cpu.leaves.first?.modifiers.first?.bits == BitPattern("0b1x0", width: 3))
        #expect(cpu.registers.first?.address == 266)
        #expect(cpu.registers.first?.bits.mask == 3)
        #expect(try VMConfig(config.json.bytes) == config)
    }

    @Test(arguments: ["", "0b", "0b2", "0b11111", "1x", "0bx_X"])
    func `What is no pattern of bits is refused`(_ text: String) {
        #expect(BitPattern(text, width: 4) == nil)
    }

    @Test(arguments: MachineConfig.HugePages.allCases)
    func `Huge pages of either kind want an even number of MiB`(_ pages: MachineConfig.HugePages)
        throws
    {
        var config = MachineConfig(memorySize: 127)
        config.hugePages = pages
        let text = config.json.text
        if pages != .none {
            #expect(throws: JSONError.self) {
                _ = try MachineConfig(json: try JSONParser.parse(Array(text.utf8)))
            }
        } else {
            #expect(try MachineConfig(json: try JSONParser.parse(Array(text.utf8))) == config)
        }
    }

    /// Each stands beside a good boot source on line 1.
    static let faults = [
        Fault(
            #""machine-config":{"vcpu_count":0,"mem_size_mib":128}"#,
            "The number of vCPUs must be greater than 0, less than 33 and must be 1 or an even"
                + " number if SMT is enabled. at line 2 column 32, in `machine-config.vcpu_count`"),
        Fault(
            #""machine-config":{"vcpu_count":256,"mem_size_mib":128}"#,
            "invalid value: integer `256`, expected an integer from 1 to 32 at line 2 column 34,"
                + " in `machine-config.vcpu_count`"),
        Fault(
            #""machine-config":{"vcpu_count":"2","mem_size_mib":128}"#,
            "invalid type: string \"2\", expected an integer from 1 to 32 at line 2 column 34, in"
                + " `machine-config.vcpu_count`"),
        Fault(
            #""machine-config":{"vcpu_count":1}"#,
            "missing field `mem_size_mib` at line 2 column 33, in `machine-config`"),
        Fault(
            #""machine-config":{"vcpu_count":1,"mem_size_mib":0}"#,
            "The memory size (MiB) is either 0, or not a multiple of the configured page size. at"
                + " line 2 column 49, in `machine-config.mem_size_mib`"),
        Fault(
            #""machine-config":{"vcpu_count":1,"mem_size_mib":129,"huge_pages":"2M"}"#,
            "The memory size (MiB) is either 0, or not a multiple of the configured page size. at"
                + " line 2 column 51, in `machine-config.mem_size_mib`"),
        Fault(
            #""memory-hotplug":{"total_size_mib":128,"slot_size_mib":64}"#,
            "Slot size must not be lower than 128 MiB at line 2 column 18, in `memory-hotplug`"),
        Fault(
            #""machine-config":{"vcpu_count":1,"mem_size_mib":128.5}"#,
            "invalid type: floating point `128.5`, expected an integer from 0 to"
                + " 18446744073709551615 at line 2 column 53, in `machine-config.mem_size_mib`"),
        Fault(
            #""machine-config":{"vcpu_count":3,"mem_size_mib":128,"smt":true}"#,
            "The number of vCPUs must be greater than 0, less than 33 and must be 1 or an even"
                + " number if SMT is enabled. at line 2 column 62, in `machine-config.smt`"),
        Fault(
            #""machine-config":{"vcpu_count":1,"mem_size_mib":128,"cpu_template":"T2"}"#,
            "static CPU templates are deprecated and not supported; describe the changes by"
                + " /cpu-config at line 2 column 71, in `machine-config.cpu_template`"),
        Fault(
            #""vsock":{"guest_cid":2,"uds_path":"/v"}"#,
            "invalid value: integer `2`, expected an integer from 3 to 4294967294 at line 2 column"
                + " 22, in `vsock.guest_cid`"),
        Fault(
            #""entropy":{"rate_limiter":{"ops":{"size":1}}}"#,
            "missing field `refill_time` at line 2 column 43, in `entropy.rate_limiter.ops`"),
        Fault(
            #""drives":[{}]"#,
            "missing field `drive_id` at line 2 column 12, in `drives.0`"),
        Fault(
            #""mmds-config":{"network_interfaces":["eth0"]}"#,
            "The list of network interface IDs provided contains at least one ID that does not"
                + " correspond to any existing network interface. at line 2 column 15, in"
                + " `mmds-config`"),
        Fault(
            #""cpu-config":{"cpuid_modifiers":[{"leaf":"x","subleaf":"0","flags":0,"modifiers":[]}]}"#,
            "a number of 32 bits as text, such as \"0x1a\", \"0b1010\" or \"26\" at line 2 column"
                + " 44, in `cpu-config.cpuid_modifiers.0.leaf`"),
        Fault(
            #""swiftlet":{"engine":"fast"}"#,
            "unknown variant `fast`, expected one of `auto`, `kvm`, `soft` at line 2 column 27, in"
                + " `swiftlet.engine`"),
        Fault(
            #""swiftlet":{"turbo":1}"#,
            "unknown field `turbo`, expected one of `engine`, `affinity`, `deterministic`,"
                + " `debug_exit`, `prefault`, `plugged_memory_mib`, `guest_calls`, `console`,"
                + " `report` at line 2 column 21, in `swiftlet`"),
        Fault(
            #""swiftlet":[]"#,
            "invalid type: sequence, expected an object at line 2 column 12, in `swiftlet`"),
    ]

    @Test(arguments: faults)
    func `A wrong field is named with its place`(_ fault: Fault) {
        let text = "{\"boot-source\":{\"kernel_image_path\":\"k\"},\n\(fault.text)}"
        let error = #expect(throws: JSONError.self) { try VMConfig(Array(text.utf8)) }
        #expect(error?.description == fault.message)
    }

    @Test(arguments: [
        (#"{}"#, "missing field `boot-source` at line 1 column 2"),
        (
            #"{"boot-source":{}}"#,
            "missing field `kernel_image_path` at line 1 column 17, in `boot-source`"
        ),
        (
            #"{"boot-source":{"kernel_image_path":""}}"#,
            "the path is empty at line 1 column 38, in `boot-source.kernel_image_path`"
        ),
        (
            #"{"boot-source":{"kernel_image_path":"a\u0000b"}}"#,
            "a zero byte inside the string at line 1 column 46, in `boot-source.kernel_image_path`"
        ),
    ])
    func `A boot source without a kernel is refused`(_ text: String, _ message: String) {
        let error = #expect(throws: JSONError.self) { try VMConfig(Array(text.utf8)) }
        #expect(error?.description == message)
    }

    @Test func `A message shows nothing that controls a terminal`() {
        let text = "{\"boot-source\":{\"\\u001b[2J\":1}}"
        let error = #expect(throws: JSONError.self) { try VMConfig(Array(text.utf8)) }
        #expect(error?.description.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } == true)
    }

    @Test func `A report is read as it was written`() throws {
        var report = MachineReport(end: .debugExit)
        report.value = 42
        report.message = "said"
        report.created = 1
        report.bootTimerProcessorTime = 3
        report.instructions = .max
        #expect(try MachineReport(report.json.bytes) == report)
    }
}

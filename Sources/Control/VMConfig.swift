// SPDX-License-Identifier: Apache-2.0

/// A whole microVM, as a file given to `--config-file` describes it.
///
/// The keys are Firecracker's, with `swiftlet` beside them.
package struct VMConfig: Hashable, Sendable {
    package var bootSource: BootSource
    package var machine: MachineConfig
    package var vsock: VsockConfig?
    package var entropy: EntropyConfig?
    package var balloon: BalloonConfig?
    package var hotplug: MemoryHotplugConfig?
    package var serial: SerialConfig?
    package var swiftlet: SwiftletConfig

    /// Firecracker's keys for devices that this monitor does not have.
    static var absentDevices: [String] {
        [
            "drives", "network-interfaces", "pmem", "mmds-config",
            "cpu-config", "logger", "metrics",
        ]
    }

    package init(
        bootSource: BootSource, machine: MachineConfig, swiftlet: SwiftletConfig = SwiftletConfig()
    ) {
        self.bootSource = bootSource
        self.machine = machine
        self.swiftlet = swiftlet
    }

    /// Reads the text of a configuration file.
    package init(_ bytes: [UInt8]) throws(JSONError) {
        try self.init(json: try JSONParser.parse(bytes))
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(
            json,
            [
                "boot-source", "machine-config", "vsock", "entropy", "balloon", "memory-hotplug",
                "serial", "swiftlet",
            ] + Self.absentDevices)
        bootSource = try fields.require("boot-source") { json throws(JSONError) in
            try BootSource(json: json)
        }
        // Firecracker's own defaults when a file says nothing about the machine.
        machine =
            try fields.optional("machine-config") { json throws(JSONError) in
                try MachineConfig(json: json)
            } ?? MachineConfig()
        vsock = try fields.optional("vsock") { json throws(JSONError) in
            try VsockConfig(json: json)
        }
        entropy = try fields.optional("entropy") { json throws(JSONError) in
            try EntropyConfig(json: json)
        }
        let memory = machine.memorySize
        balloon = try fields.optional("balloon") { json throws(JSONError) in
            let balloon = try BalloonConfig(json: json)
            guard balloon.amount <= memory else {
                throw json.invalid(
                    "the balloon is to have \(balloon.amount) MiB of \(memory) MiB of memory")
            }
            return balloon
        }
        hotplug = try fields.optional("memory-hotplug") { json throws(JSONError) in
            try MemoryHotplugConfig(json: json)
        }
        serial = try fields.optional("serial") { json throws(JSONError) in
            try SerialConfig(json: json)
        }
        swiftlet =
            try fields.optional("swiftlet") { json throws(JSONError) in
                try SwiftletConfig(json: json)
            } ?? SwiftletConfig()
        for name in Self.absentDevices {
            _ = try fields.optional(name) { json throws(JSONError) in
                if json.value == .array([]) { return }
                throw json.invalid("not supported by this version of swiftlet-vmm")
            }
        }
    }

    package var json: JSON {
        .object([
            ("boot-source", bootSource.json),
            ("machine-config", machine.json),
            ("vsock", vsock?.json),
            ("entropy", entropy?.json),
            ("balloon", balloon?.json),
            ("memory-hotplug", hotplug?.json),
            ("serial", serial?.json),
            ("swiftlet", swiftlet.json),
        ])
    }
}

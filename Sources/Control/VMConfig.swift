// SPDX-License-Identifier: Apache-2.0

/// A whole microVM, as a file given to `--config-file` describes it.
///
/// The keys are Firecracker's, with `swiftlet` beside them.
package struct VMConfig: Hashable, Sendable {
    /// Most devices of one kind.
    package static var deviceLimit: Int { 64 }

    package var bootSource: BootSource
    package var machine: MachineConfig
    package var drives: [DriveConfig] = []
    package var networks: [NetworkConfig] = []
    package var pmems: [PmemConfig] = []
    package var vsock: VsockConfig?
    package var entropy: EntropyConfig?
    package var serial: SerialConfig?
    package var balloon: BalloonConfig?
    package var memoryHotplug: MemoryHotplugConfig?
    package var mmds: MMDSConfig?
    package var cpu: CPUSource?
    package var logger: LoggerConfig?
    package var metrics: MetricsConfig?
    package var swiftlet: SwiftletConfig

    /// Where the processors' configuration stands.
    package enum CPUSource: Hashable, Sendable {
        case here(CPUConfig)
        /// In a file of its own.
        case file(String)

        var json: JSON {
            switch self {
            case .here(let config): config.json
            case .file(let path): .string(path)
            }
        }
    }

    /// Keys of a configuration file.
    package static var fields: [String] {
        [
            "boot-source", "machine-config", "drives", "network-interfaces", "pmem", "vsock",
            "entropy", "serial", "balloon", "memory-hotplug", "mmds-config", "cpu-config",
            "logger", "metrics", "swiftlet",
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
        let fields = try JSONFields(json, Self.fields)
        // Firecracker's own defaults when a file says nothing about the machine.
        self.init(
            bootSource: try fields.require("boot-source"),
            machine: try fields.optional("machine-config") ?? MachineConfig())
        vsock = try fields.optional("vsock")
        entropy = try fields.optional("entropy")
        serial = try fields.optional("serial")
        memoryHotplug = try fields.optional("memory-hotplug")
        logger = try fields.optional("logger")
        metrics = try fields.optional("metrics")
        cpu = try fields.optional("cpu-config") { json throws(JSONError) in
            if case .string = json.value { return .file(try json.asPath()) }
            return .here(try CPUConfig(json: json))
        }
        swiftlet = try fields.optional("swiftlet") ?? SwiftletConfig()
        try readDevices(fields)
    }

    /// Reads what must fit to what else there is.
    private mutating func readDevices(_ fields: JSONFields) throws(JSONError) {
        var copy = self
        try fields.each("drives") { json throws(JSONError) in
            let drive = try DriveConfig(json: json)
            try json.check { () throws(ConfigFault) in try copy.insert(drive) }
        }
        try fields.each("network-interfaces") { json throws(JSONError) in
            let network = try NetworkConfig(json: json)
            try json.check { () throws(ConfigFault) in try copy.insert(network) }
        }
        try fields.each("pmem") { json throws(JSONError) in
            let pmem = try PmemConfig(json: json)
            try json.check { () throws(ConfigFault) in try copy.insert(pmem) }
        }
        _ = try fields.optional("balloon") { json throws(JSONError) in
            let balloon = try BalloonConfig(json: json)
            try json.check { () throws(ConfigFault) in try copy.set(balloon) }
        }
        _ = try fields.optional("mmds-config") { json throws(JSONError) in
            let mmds = try MMDSConfig(json: json)
            try json.check { () throws(ConfigFault) in try copy.set(mmds) }
        }
        self = copy
    }

    /// The configuration as `GET /vm/config` shows it; what is not there is null.
    package var json: JSON {
        .object([
            ("balloon", balloon?.json ?? .null), ("drives", .array(drives.map(\.json))),
            ("boot-source", bootSource.json), ("cpu-config", cpu?.json ?? .null),
            ("logger", logger?.json ?? .null), ("machine-config", machine.json),
            ("metrics", metrics?.json ?? .null),
            ("mmds-config", mmds?.json ?? .null),
            ("network-interfaces", .array(networks.map(\.json))),
            ("vsock", vsock?.json ?? .null), ("entropy", entropy?.json ?? .null),
            ("pmem", .array(pmems.map(\.json))), ("serial", serial?.json ?? .null),
            ("memory-hotplug", memoryHotplug?.json ?? .null), ("swiftlet", swiftlet.json),
        ])
    }
}

extension JSONFields {
    /// Reads each element of a list that may be there.
    fileprivate func each(
        _ name: String, _ read: (JSON) throws(JSONError) -> Void
    ) throws(JSONError) {
        _ = try optional(name) { json throws(JSONError) in
            try json.asArray(limit: VMConfig.deviceLimit, read)
        }
    }
}

extension JSON {
    /// Says where in the text an object stands that does not fit.
    fileprivate func check(_ body: () throws(ConfigFault) -> Void) throws(JSONError) {
        do throws(ConfigFault) {
            try body()
        } catch {
            throw invalid(error.text)
        }
    }
}

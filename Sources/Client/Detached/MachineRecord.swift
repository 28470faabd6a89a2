// SPDX-License-Identifier: Apache-2.0
import Control

/// What a detached machine was made as. It never changes.
public struct MachineRecord: Hashable, Sendable {
    /// Twelve hexadecimal digits.
    public var id: String
    public var name: String
    /// Nanoseconds since 1970.
    public var created: UInt64
    /// The command that it runs; empty: it waits for those of others.
    public var command: [String]
    /// What `swiftlet run` was given; the supervisor reads it again.
    package var arguments: [String]
    public var cpus: Int
    /// MiB.
    public var memory: UInt64
    /// As it was asked for.
    public var engine: MicroVM.Engine
    public var kernel: String
    public var initrd: String?
    /// Paths of the disks' files, the root file system's first.
    public var disks: [String]
    /// The host's end of its network, as it was asked for.
    public var network: String?
    /// It is removed when it ends.
    public var isTemporary: Bool

    package init(
        id: String, name: String, created: UInt64, command: [String], arguments: [String],
        isTemporary: Bool, _ configuration: MicroVM.Configuration
    ) {
        self.id = id
        self.name = name
        self.created = created
        self.command = command
        self.arguments = arguments
        cpus = configuration.cpus
        memory = configuration.memory
        engine = configuration.engine
        kernel = configuration.kernel
        initrd = configuration.initrd
        disks = ([configuration.rootDisk].compactMap { $0 } + configuration.disks).map(\.path)
        network =
            switch configuration.network {
            case nil: nil
            case .own: "tap"
            case .tap(let name): "tap=" + name
            }
        self.isTemporary = isTemporary
    }

    /// Members that this version does not know are another's, and ignored.
    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(open: json)
        id = try fields.require("id", as: JSON.asString)
        name = try fields.require("name", as: JSON.asString)
        created = try fields.require("created_ns")
        command = try fields.strings("command")
        arguments = try fields.strings("arguments")
        cpus = try fields.require("cpus")
        memory = try fields.require("memory_mib")
        engine = try fields.require("engine")
        kernel = try fields.require("kernel", as: JSON.asString)
        initrd = try fields.optional("initrd", as: JSON.asString)
        disks = try fields.strings("disks")
        network = try fields.optional("network", as: JSON.asString)
        isTemporary = try fields.optional("temporary", as: JSON.asBool) ?? false
    }

    package var json: JSON { .object(members) }

    package var members: [(String, JSON?)] {
        [
            ("id", .string(id)), ("name", .string(name)), ("created_ns", .integer(created)),
            ("command", .array(command.map(JSON.string))),
            ("arguments", .array(arguments.map(JSON.string))), ("cpus", .integer(cpus)),
            ("memory_mib", .integer(memory)), ("engine", .string(engine.rawValue)),
            ("kernel", .string(kernel)), ("initrd", initrd.map(JSON.string)),
            ("disks", .array(disks.map(JSON.string))), ("network", network.map(JSON.string)),
            ("temporary", .bool(isTemporary)),
        ]
    }
}

extension JSONFields {
    /// The members of an object that may have any.
    init(open json: JSON) throws(JSONError) {
        let names: [String] =
            if case .object(let members) = json.value { members.map(\.name) } else { [] }
        try self.init(json, names)
    }

    fileprivate func strings(_ name: String) throws(JSONError) -> [String] {
        try require(name) { json throws(JSONError) in
            guard case .array(let elements) = json.value else {
                throw json.invalid("a sequence of strings is expected")
            }
            var texts: [String] = []
            for element in elements { texts.append(try element.asString()) }
            return texts
        }
    }
}

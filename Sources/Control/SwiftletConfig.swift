// SPDX-License-Identifier: Apache-2.0

/// What Firecracker's configuration has no word for: our own `swiftlet` object beside its keys.
package struct SwiftletConfig: JSONReadable, Hashable, Sendable {
    package enum Engine: String, CaseIterable, JSONReadable, Sendable {
        case auto, kvm, soft
    }

    /// Highest descriptor that a configuration may name.
    package static var descriptorLimit: CInt { 1023 }
    /// Most calls of a guest that may be foreseen.
    private static var callLimit: Int { 64 }

    package var engine = Engine.auto
    /// Time goes by retired instructions, so that two runs are the same.
    package var isDeterministic = false
    /// The host's CPU that each processor's thread stays on, by index; those left out go anywhere.
    package var affinity: [Int] = []
    /// The guest may end the machine with a value of its choice.
    package var hasDebugExit = false
    /// All guest memory is made present before the start.
    package var prefaults = false
    /// What the guest is to plug of its `memory-hotplug` as soon as it runs, in MiB.
    package var pluggedMemory: UInt32 = 0
    /// How often the guest will call the host through its vsock, for one whose name is abstract: the
    /// monitor then leaves the host's network with so many sockets of it.
    package var guestCalls: Int?
    /// Inherited descriptors of the serial console; nil: standard input and output.
    package var console: Console?
    /// An inherited descriptor to which the monitor writes its report, one JSON object a line.
    package var report: CInt?

    /// Where the serial console reads and writes; nil: nowhere.
    package struct Console: Hashable, Sendable {
        package var input: CInt?
        package var output: CInt?

        package init(input: CInt?, output: CInt?) {
            self.input = input
            self.output = output
        }
    }

    package init() {}

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(
            json,
            [
                "engine", "affinity", "deterministic", "debug_exit", "prefault",
                "plugged_memory_mib", "guest_calls", "console", "report",
            ])
        engine = try fields.optional("engine") ?? .auto
        affinity =
            try fields.optional("affinity") { json throws(JSONError) in
                try Self.affinity(json)
            } ?? []
        isDeterministic = try fields.flag("deterministic")
        hasDebugExit = try fields.flag("debug_exit")
        prefaults = try fields.flag("prefault")
        pluggedMemory = try fields.optional("plugged_memory_mib") ?? 0
        guestCalls = try fields.optional("guest_calls") { json throws(JSONError) in
            try json.asInteger(in: 0...Self.callLimit)
        }
        console = try fields.optional("console") { json throws(JSONError) in
            let fields = try JSONFields(json, ["input", "output"])
            return Console(
                input: try fields.descriptor("input"), output: try fields.descriptor("output"))
        }
        report = try fields.descriptor("report")
    }

    package var json: JSON {
        .object([
            ("engine", .string(engine.rawValue)),
            (
                "affinity",
                affinity.isEmpty ? nil : JSON(.array(affinity.map { .integer($0) }))
            ),
            ("deterministic", isDeterministic ? .bool(true) : nil),
            ("debug_exit", hasDebugExit ? .bool(true) : nil),
            ("prefault", prefaults ? .bool(true) : nil),
            ("plugged_memory_mib", pluggedMemory == 0 ? nil : .integer(pluggedMemory)),
            ("guest_calls", guestCalls.map { .integer($0) }),
            (
                "console",
                console.map { console in
                    .object([
                        ("input", console.input.map { .integer($0) }),
                        ("output", console.output.map { .integer($0) }),
                    ])
                }
            ),
            ("report", report.map { .integer($0) }),
        ])
    }
}

extension SwiftletConfig {
    /// Highest number of a host's CPU, and most processors that are placed.
    private static var cpuLimit: Int { 1023 }
    private static var placeLimit: Int { 32 }

    private static func affinity(_ json: JSON) throws(JSONError) -> [Int] {
        guard case .array(let places) = json.value else {
            throw json.wrongType(expected: "a sequence of CPU numbers")
        }
        guard places.count <= placeLimit else {
            throw json.invalid("\(places.count) CPU numbers; at most \(placeLimit) can be given")
        }
        var numbers: [Int] = []
        for place in places { numbers.append(try place.asInteger(in: 0...cpuLimit)) }
        return numbers
    }
}

extension JSONFields {
    fileprivate func descriptor(_ name: String) throws(JSONError) -> CInt? {
        try optional(name) { json throws(JSONError) in
            try json.asInteger(in: 0...SwiftletConfig.descriptorLimit)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Processors and memory: Firecracker's `machine-config`.
package struct MachineConfig: APIObject {
    package static var fields: [String] {
        [
            "vcpu_count", "mem_size_mib", "smt", "cpu_template", "track_dirty_pages",
            "huge_pages",
        ]
    }

    /// How guest memory is backed.
    package enum HugePages: String, CaseIterable, JSONReadable, Sendable {
        case none = "None"
        case transparent = "Transparent"
        case twoMiB = "2M"
    }

    /// Most virtual processors.
    package static var vcpuLimit: UInt8 { 32 }
    /// Least and most guest memory, in MiB. Kernels that are a single program take little.
    package static var memoryRange: ClosedRange<UInt64> { 2...65536 }
    /// As ``memoryRange`` for a guest that starts our own programs.
    package static var linuxMemoryRange: ClosedRange<UInt64> { 32...memoryRange.upperBound }

    package var vcpuCount: UInt8
    /// In MiB.
    package var memorySize: UInt64
    /// Two processors a core, as the guest is told.
    package var hasThreads = false
    package var tracksDirtyPages = false
    package var hugePages = HugePages.none

    package init(vcpuCount: UInt8 = 1, memorySize: UInt64 = 128) {
        self.vcpuCount = vcpuCount
        self.memorySize = memorySize
    }

    package init(json: JSON) throws(JSONError) {
        self.init()
        let fields = try JSONFields(json, Self.fields)
        vcpuCount = try fields.require("vcpu_count", Self.readCount)
        hugePages = try fields.optional("huge_pages") ?? .none
        memorySize = try fields.require("mem_size_mib")
        tracksDirtyPages = try fields.flag("track_dirty_pages")
        hasThreads = try fields.flag("smt")
        try Self.refuse(fields)
        if let fault = Self.fault(ofCount: vcpuCount, hasThreads) {
            throw fields.unfit(1...Self.vcpuLimit ~= vcpuCount ? "smt" : "vcpu_count", fault)
        }
        if let fault = Self.fault(ofMemory: memorySize, hugePages) {
            throw fields.unfit("mem_size_mib", fault)
        }
    }

    /// How many can be read; what is no number hears how many there may be.
    static func readCount(_ json: JSON) throws(JSONError) -> UInt8 {
        try json.asInteger(sensible: 1...vcpuLimit)
    }

    private static func unfit(_ text: String) -> ConfigFault {
        ConfigFault("Machine config error", text)
    }

    /// What is wrong with `size` MiB of memory; nil: nothing.
    static func fault(ofMemory size: UInt64, _ hugePages: HugePages) -> ConfigFault? {
        guard size > 0, hugePages == .none || size.isMultiple(of: 2) else {
            return unfit(
                "The memory size (MiB) is either 0, or not a multiple of the configured page size.")
        }
        guard memoryRange.contains(size) else {
            return unfit(
                "The memory size (MiB) is \(size); it must be from \(memoryRange.lowerBound) to"
                    + " \(memoryRange.upperBound).")
        }
        return nil
    }

    /// What is wrong with so many processors, two threads a core or not; nil: nothing.
    static func fault(ofCount count: UInt8, _ hasThreads: Bool) -> ConfigFault? {
        let isEven = count == 1 || count.isMultiple(of: 2)
        guard count == 0 || count > vcpuLimit || hasThreads && !isEven else { return nil }
        return unfit(
            "The number of vCPUs must be greater than 0, less than \(vcpuLimit + 1) and must be 1 or"
                + " an even number if SMT is enabled.")
    }

    /// Throws for one of Firecracker's own CPU templates, which it has deprecated.
    static func refuse(_ fields: JSONFields) throws(JSONError) {
        _ = try fields.optional("cpu_template") { json throws(JSONError) in
            guard try json.asChoice(of: CPUTemplate.self) == .none else {
                throw json.invalid(
                    "static CPU templates are deprecated and not supported; describe the changes by"
                        + " /cpu-config")
            }
        }
    }

    package var json: JSON {
        .object([
            ("vcpu_count", .integer(vcpuCount)), ("mem_size_mib", .integer(memorySize)),
            ("smt", .bool(hasThreads)), ("track_dirty_pages", .bool(tracksDirtyPages)),
            ("huge_pages", .string(hugePages.rawValue)),
        ])
    }
}

/// Names of Firecracker's static CPU templates, which it has deprecated.
package enum CPUTemplate: String, CaseIterable, Sendable {
    case c3 = "C3"
    case t2 = "T2"
    case t2s = "T2S"
    case t2cl = "T2CL"
    case t2a = "T2A"
    case v1n1 = "V1N1"
    case none = "None"
}

/// Changes to some of the machine's properties.
package struct MachineUpdate: APIObject {
    package static var fields: [String] { MachineConfig.fields }

    package var vcpuCount: UInt8?
    /// In MiB.
    package var memorySize: UInt64?
    package var hasThreads: Bool?
    package var tracksDirtyPages: Bool?
    package var hugePages: MachineConfig.HugePages?
    /// Nothing was named at all.
    package let isEmpty: Bool

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        isEmpty = Self.fields.allSatisfy { fields[$0] == nil }
        vcpuCount = try fields.optional("vcpu_count", MachineConfig.readCount)
        memorySize = try fields.optional("mem_size_mib")
        hasThreads = try fields.optional("smt")
        tracksDirtyPages = try fields.optional("track_dirty_pages")
        hugePages = try fields.optional("huge_pages")
        try MachineConfig.refuse(fields)
        if let vcpuCount, let fault = MachineConfig.fault(ofCount: vcpuCount, false) {
            throw fields.unfit("vcpu_count", fault)
        }
        if let memorySize, let fault = MachineConfig.fault(ofMemory: memorySize, .none) {
            throw fields.unfit("mem_size_mib", fault)
        }
    }
}

extension MachineConfig {
    /// This with the changes of `update`.
    package func updated(by update: MachineUpdate) throws(ConfigFault) -> MachineConfig {
        var copy = self
        copy.vcpuCount = update.vcpuCount ?? vcpuCount
        copy.memorySize = update.memorySize ?? memorySize
        copy.hasThreads = update.hasThreads ?? hasThreads
        copy.tracksDirtyPages = update.tracksDirtyPages ?? tracksDirtyPages
        copy.hugePages = update.hugePages ?? hugePages
        if let fault = Self.fault(ofCount: copy.vcpuCount, copy.hasThreads) { throw fault }
        if let fault = Self.fault(ofMemory: copy.memorySize, copy.hugePages) { throw fault }
        return copy
    }
}

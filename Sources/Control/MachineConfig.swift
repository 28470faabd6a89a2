// SPDX-License-Identifier: Apache-2.0

/// Processors and memory: Firecracker's `machine-config`.
package struct MachineConfig: Hashable, Sendable {
    /// How guest memory is backed.
    package enum HugePages: String, CaseIterable, Sendable {
        case none = "None"
        case transparent = "Transparent"
        case twoMiB = "2M"
    }

    /// Most virtual processors.
    package static var vcpuLimit: UInt8 { 32 }
    /// Least and most guest memory, in MiB.
    package static var memoryRange: ClosedRange<UInt64> { 32...65536 }

    package var vcpuCount: UInt8
    /// In MiB.
    package var memorySize: UInt64
    package var tracksDirtyPages = false
    package var hugePages = HugePages.none

    package init(vcpuCount: UInt8 = 1, memorySize: UInt64 = 128) {
        self.vcpuCount = vcpuCount
        self.memorySize = memorySize
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(
            json,
            [
                "vcpu_count", "mem_size_mib", "smt", "cpu_template", "track_dirty_pages",
                "huge_pages",
            ])
        vcpuCount = try fields.require("vcpu_count") { json throws(JSONError) in
            try json.asInteger(in: 1...Self.vcpuLimit)
        }
        hugePages =
            try fields.optional("huge_pages") { json throws(JSONError) in
                try json.asChoice(of: HugePages.self)
            } ?? .none
        let pageSize: UInt64 = hugePages == .twoMiB ? 2 : 1
        memorySize = try fields.require("mem_size_mib") { json throws(JSONError) in
            let size: UInt64 = try json.asInteger()
            guard size > 0, size.isMultiple(of: pageSize) else {
                throw json.invalid(
                    "The memory size (MiB) is either 0, or not a multiple of the configured page"
                        + " size.")
            }
            guard Self.memoryRange.contains(size) else {
                throw json.invalid(
                    "The memory size (MiB) is \(size); it must be from"
                        + " \(Self.memoryRange.lowerBound) to \(Self.memoryRange.upperBound).")
            }
            return size
        }
        tracksDirtyPages =
            try fields.optional("track_dirty_pages") { json throws(JSONError) in
                try json.asBool()
            } ?? false
        try Self.refuse(fields)
    }

    /// Throws for a wish that only Firecracker on KVM could grant.
    private static func refuse(_ fields: JSONFields) throws(JSONError) {
        _ = try fields.optional("smt") { json throws(JSONError) in
            guard try !json.asBool() else {
                throw json.invalid("simultaneous multithreading is not supported")
            }
        }
        _ = try fields.optional("cpu_template") { json throws(JSONError) in
            guard try json.asString() == "None" else {
                throw json.invalid("CPU templates are not supported")
            }
        }
    }

    package var json: JSON {
        .object([
            ("vcpu_count", .integer(vcpuCount)),
            ("mem_size_mib", .integer(memorySize)),
            ("track_dirty_pages", tracksDirtyPages ? .bool(true) : nil),
            ("huge_pages", hugePages == .none ? nil : .string(hugePages.rawValue)),
        ])
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Memory that the guest can be given while it runs: Firecracker's `memory-hotplug`.
package struct MemoryHotplugConfig: Hashable, Sendable {
    /// All that can be plugged, in MiB; a multiple of both sizes below.
    package var total: UInt64
    /// What is plugged at a time, in MiB; a power of two, at least 2.
    package var blockSize: UInt64 = 2
    /// In MiB; at least 128 and a multiple of ``blockSize``. All that it does is to be checked:
    /// every block of ours is protected by itself.
    package var slotSize: UInt64 = 128
    /// What the guest is to plug as soon as it runs, in MiB; not in Firecracker's form.
    package var requested: UInt64 = 0

    package init(total: UInt64) { self.total = total }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(
            json, ["total_size_mib", "block_size_mib", "slot_size_mib", "requested_size_mib"])
        total = try fields.require("total_size_mib") { json throws(JSONError) in
            try json.asInteger(in: Self.totalRange)
        }
        blockSize = try fields.size("block_size_mib") ?? 2
        slotSize = try fields.size("slot_size_mib") ?? 128
        requested = try fields.size("requested_size_mib") ?? 0
        if let reason = problem { throw json.invalid(reason) }
    }

    private static var totalRange: ClosedRange<UInt64> { 1...MachineConfig.memoryRange.upperBound }

    /// What is wrong with it.
    private var problem: String? {
        if blockSize < 2 || blockSize.nonzeroBitCount != 1 {
            return "block_size_mib is \(blockSize); it must be a power of two, at least 2"
        }
        if slotSize < 128 || !slotSize.isMultiple(of: blockSize) {
            return "slot_size_mib is \(slotSize); it must be at least 128 and whole blocks of"
                + " \(blockSize)"
        }
        if !total.isMultiple(of: slotSize) {
            return "total_size_mib is \(total); it must be whole slots of \(slotSize)"
        }
        if requested > total || !requested.isMultiple(of: blockSize) {
            return "requested_size_mib is \(requested); it must be whole blocks of \(blockSize), at"
                + " most \(total)"
        }
        return nil
    }

    package var json: JSON {
        .object([
            ("total_size_mib", .integer(total)),
            ("block_size_mib", .integer(blockSize)),
            ("slot_size_mib", .integer(slotSize)),
            ("requested_size_mib", requested == 0 ? nil : .integer(requested)),
        ])
    }

    /// As people write it: how much can be plugged, then `:plug=SIZE` for what is at the start.
    package init(option text: String) throws(QuantityError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let owner = "pluggable memory"
        total = try MemorySize(parts[0], in: Self.totalRange, of: owner).mebibytes
        for part in parts.dropFirst() {
            guard part.hasPrefix("plug=") else {
                throw QuantityError(
                    description: "'\(JSONError.printable(part))' says nothing of pluggable memory;"
                        + " write SIZE:plug=SIZE")
            }
            requested =
                try MemorySize(String(part.dropFirst(5)), in: 0...total, of: owner).mebibytes
        }
        if let problem { throw QuantityError(description: problem) }
    }
}

extension JSONFields {
    fileprivate func size(_ name: String) throws(JSONError) -> UInt64? {
        try optional(name) { json throws(JSONError) in
            try json.asInteger(in: 0...UInt64(UInt32.max))
        }
    }
}

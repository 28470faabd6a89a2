// SPDX-License-Identifier: Apache-2.0

/// Memory that comes and goes while the machine runs: Firecracker's `memory-hotplug`.
package struct MemoryHotplugConfig: APIObject {
    package static var fields: [String] { ["total_size_mib", "block_size_mib", "slot_size_mib"] }

    /// Least size of a block and of a slot, in MiB.
    package static var leastBlock: UInt32 { 2 }
    package static var leastSlot: UInt32 { 128 }

    /// All sizes are in MiB.
    package var totalSize: UInt32
    package var blockSize = Self.leastBlock
    package var slotSize = Self.leastSlot

    package init(totalSize: UInt32) { self.totalSize = totalSize }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        totalSize = try fields.require("total_size_mib")
        blockSize = try fields.optional("block_size_mib") ?? Self.leastBlock
        slotSize = try fields.optional("slot_size_mib") ?? Self.leastSlot
        if let fault { throw fields.unfit(nil, ConfigFault("Memory hotplug config error", fault)) }
    }

    /// What is wrong with the sizes, in Firecracker's words; nil: nothing.
    package var fault: String? {
        if blockSize < Self.leastBlock {
            return "Block size must not be lower than \(Self.leastBlock) MiB"
        }
        if blockSize & (blockSize - 1) != 0 { return "Block size must be a power of 2" }
        if slotSize < Self.leastSlot {
            return "Slot size must not be lower than \(Self.leastSlot) MiB"
        }
        if !slotSize.isMultiple(of: blockSize) {
            return "Slot size must be a multiple of block size (\(blockSize) MiB)"
        }
        if totalSize < slotSize {
            return "Total size must not be lower than slot size (\(slotSize) MiB)"
        }
        if !totalSize.isMultiple(of: slotSize) {
            return "Total size must be a multiple of slot size (\(slotSize) MiB)"
        }
        return nil
    }

    package var json: JSON {
        .object([
            ("total_size_mib", .integer(totalSize)), ("block_size_mib", .integer(blockSize)),
            ("slot_size_mib", .integer(slotSize)),
        ])
    }
}

/// A new size of the memory that is plugged in.
package struct MemoryHotplugUpdate: APIObject {
    package static var fields: [String] { ["requested_size_mib"] }

    /// In MiB.
    package var requestedSize: UInt32

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        requestedSize = try fields.require("requested_size_mib")
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Devices for memory as people write them on a command line.
extension BalloonConfig {
    /// An amount of memory, then `:oom`, `:report`, `:hint` or `:stats=SECONDS`.
    package init(option text: String) throws(QuantityError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let range = 0...MachineConfig.memoryRange.upperBound
        let size = try MemorySize(parts[0], in: range, of: "a balloon")
        self.init(amount: UInt32(size.mebibytes), deflatesOnOOM: false)
        for part in parts.dropFirst() {
            switch part {
            case "oom": deflatesOnOOM = true
            case "report": reportsFreePages = true
            case "hint": hintsFreePages = true
            default:
                guard part.hasPrefix("stats="), let seconds = UInt16(part.dropFirst(6)), seconds > 0
                else {
                    throw QuantityError(
                        description: "'\(JSONError.printable(part))' is nothing that a balloon can"
                            + " do; it is oom, report, hint or stats=SECONDS")
                }
                statisticsInterval = seconds
            }
        }
    }
}

/// Memory that a guest can be given while it runs, and what it has of it from the start.
package struct HotplugOption: Hashable, Sendable {
    package var config: MemoryHotplugConfig
    /// In MiB.
    package var plugged: UInt32 = 0

    /// How much can be plugged, then `:plug=SIZE` for what is at the start.
    package init(_ text: String) throws(QuantityError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let owner = "pluggable memory"
        let range = 1...MachineConfig.memoryRange.upperBound
        let size = try MemorySize(parts[0], in: range, of: owner)
        config = MemoryHotplugConfig(totalSize: UInt32(size.mebibytes))
        if let fault = config.fault { throw QuantityError(description: "\(owner): \(fault)") }
        for part in parts.dropFirst() {
            guard part.hasPrefix("plug=") else {
                throw QuantityError(
                    description: "'\(JSONError.printable(part))' says nothing of pluggable memory;"
                        + " write SIZE:plug=SIZE")
            }
            let wish = try MemorySize(String(part.dropFirst(5)), in: 0...size.mebibytes, of: owner)
            plugged = UInt32(wish.mebibytes)
            guard plugged.isMultiple(of: config.blockSize) else {
                throw QuantityError(
                    description: "\(plugged) MiB cannot be plugged: it must be whole blocks of"
                        + " \(config.blockSize) MiB")
            }
        }
    }
}

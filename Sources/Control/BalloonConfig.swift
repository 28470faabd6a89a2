// SPDX-License-Identifier: Apache-2.0

/// Memory that the guest lends to the host: Firecracker's `balloon`.
package struct BalloonConfig: Hashable, Sendable {
    /// What the balloon is to have, in MiB; at most the guest's memory.
    package var amount: UInt64
    /// The guest takes pages back rather than kill a process.
    package var deflatesOnOOM = false
    /// Seconds between statistics; 0: none.
    package var statisticsInterval: UInt16 = 0
    /// The host may ask for all free pages.
    package var hints = false
    /// The guest reports free pages by itself.
    package var reports = false

    package init(amount: UInt64) { self.amount = amount }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(
            json,
            [
                "amount_mib", "deflate_on_oom", "stats_polling_interval_s", "free_page_hinting",
                "free_page_reporting",
            ])
        amount = try fields.require("amount_mib") { json throws(JSONError) in
            try json.asInteger(in: Self.amountRange)
        }
        deflatesOnOOM = try fields.require("deflate_on_oom") { json throws(JSONError) in
            try json.asBool()
        }
        statisticsInterval =
            try fields.optional("stats_polling_interval_s") { json throws(JSONError) in
                try json.asInteger()
            } ?? 0
        hints =
            try fields.optional("free_page_hinting") { json throws(JSONError) in
                try json.asBool()
            } ?? false
        reports =
            try fields.optional("free_page_reporting") { json throws(JSONError) in
                try json.asBool()
            } ?? false
    }

    private static var amountRange: ClosedRange<UInt64> { 0...MachineConfig.memoryRange.upperBound }

    package var json: JSON {
        .object([
            ("amount_mib", .integer(amount)),
            ("deflate_on_oom", .bool(deflatesOnOOM)),
            ("stats_polling_interval_s", .integer(statisticsInterval)),
            ("free_page_hinting", .bool(hints)),
            ("free_page_reporting", .bool(reports)),
        ])
    }

    /// As people write it: an amount of memory, then `:oom`, `:report`, `:hint` or
    /// `:stats=SECONDS`.
    package init(option text: String) throws(QuantityError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        self.init(
            amount: try MemorySize(parts[0], in: Self.amountRange, of: "a balloon").mebibytes)
        for part in parts.dropFirst() {
            switch part {
            case "oom": deflatesOnOOM = true
            case "report": reports = true
            case "hint": hints = true
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

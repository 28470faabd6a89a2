// SPDX-License-Identifier: Apache-2.0

/// Memory that the guest gives back: Firecracker's `balloon`.
package struct BalloonConfig: APIObject {
    package static var fields: [String] {
        [
            "amount_mib", "deflate_on_oom", "stats_polling_interval_s", "free_page_hinting",
            "free_page_reporting",
        ]
    }

    /// Target size, in MiB; at most the machine's memory.
    package var amount: UInt32
    package var deflatesOnOOM: Bool
    /// Seconds between two statistics of the guest; 0: none.
    package var statisticsInterval: UInt16 = 0
    package var hintsFreePages = false
    package var reportsFreePages = false

    package init(amount: UInt32, deflatesOnOOM: Bool) {
        self.amount = amount
        self.deflatesOnOOM = deflatesOnOOM
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        amount = try fields.require("amount_mib")
        deflatesOnOOM = try fields.require("deflate_on_oom")
        statisticsInterval = try fields.optional("stats_polling_interval_s") ?? 0
        hintsFreePages = try fields.flag("free_page_hinting")
        reportsFreePages = try fields.flag("free_page_reporting")
    }

    package var json: JSON {
        .object([
            ("amount_mib", .integer(amount)), ("deflate_on_oom", .bool(deflatesOnOOM)),
            ("stats_polling_interval_s", .integer(statisticsInterval)),
            ("free_page_hinting", .bool(hintsFreePages)),
            ("free_page_reporting", .bool(reportsFreePages)),
        ])
    }
}

/// A new target size of the balloon.
package struct BalloonUpdate: APIObject {
    package static var fields: [String] { ["amount_mib"] }

    /// In MiB.
    package var amount: UInt32

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        amount = try fields.require("amount_mib")
    }
}

/// A new interval of the balloon's statistics.
package struct BalloonStatisticsUpdate: APIObject {
    package static var fields: [String] { ["stats_polling_interval_s"] }

    /// In seconds.
    package var interval: UInt16

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        interval = try fields.require("stats_polling_interval_s")
    }
}

/// How a run of free page hinting ends.
package struct BalloonHintingStart: APIObject {
    package static var fields: [String] { ["acknowledge_on_stop"] }

    package var acknowledgesOnStop = true

    package init() {}

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        acknowledgesOnStop = try fields.optional("acknowledge_on_stop") ?? true
    }
}

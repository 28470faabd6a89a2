// SPDX-License-Identifier: Apache-2.0
import Control

/// One thing that `doctor` has looked at.
package struct Finding: Hashable, Sendable {
    /// How it is, from good to bad.
    package enum Level: String, CaseIterable, Sendable {
        case good = "ok"
        /// Machines run; something could be better.
        case note
        /// Machines run; something costs much speed or safety.
        case warning = "warn"
        /// Something does not work.
        case broken = "fail"
    }

    /// What it belongs to.
    package enum Group: String, CaseIterable, Sendable {
        case engines, installation, kernel, isolation, speed, limits
    }

    package let group: Group
    /// A stable word, the same whatever was found.
    package let name: String
    package let level: Level
    /// One sentence without a point.
    package let text: String
    /// Shell commands that mend it, in their order.
    package let remedy: [String]

    package init(
        _ group: Group, _ name: String, _ level: Level, _ text: String, remedy: [String] = []
    ) {
        self.group = group
        self.name = name
        self.level = level
        self.text = text
        self.remedy = remedy
    }

    package var json: JSON {
        .object([
            ("group", .string(group.rawValue)), ("name", .string(name)),
            ("level", .string(level.rawValue)), ("text", .string(text)),
            ("remedy", remedy.isEmpty ? nil : .array(remedy.map { .string($0) })),
        ])
    }
}

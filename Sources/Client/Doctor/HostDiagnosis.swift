// SPDX-License-Identifier: Apache-2.0
import Control

/// What `doctor` has found.
package struct HostDiagnosis: Hashable, Sendable {
    package let kvm: KVMState
    /// Nanoseconds that it took to try what KVM is; nil: nobody has, or it was remembered.
    package let trial: UInt64?
    package let findings: [Finding]

    /// Whether `swiftlet run` can run a machine here.
    package var canRun: Bool { !findings.contains { $0.level == .broken } }

    package var json: JSON {
        .object([
            ("can_run", .bool(canRun)), ("kvm", .string(kvm.name)),
            ("engine", .string(kvm.isFast ? "kvm" : "soft")),
            ("kvm_trial_us", trial.map { .integer($0 / 1000) }),
            ("findings", .array(findings.map(\.json))),
        ])
    }

    /// For a person: a line for each finding, with the commands that mend it below.
    package var text: String {
        let width = findings.map(\.name.count).max() ?? 0
        var lines: [String] = []
        for group in Finding.Group.allCases {
            let members = findings.filter { $0.group == group }
            guard !members.isEmpty else { continue }
            lines.append(group.rawValue)
            for finding in members {
                lines.append(
                    "  " + Self.padded(finding.level.rawValue, 5)
                        + Self.padded(finding.name, width + 2) + finding.text)
                lines += finding.remedy.map { String(repeating: " ", count: width + 9) + "$ " + $0 }
            }
        }
        lines.append(verdict)
        return lines.joined(separator: "\n") + "\n"
    }

    private var verdict: String {
        guard canRun else { return "A machine cannot run here." }
        let count = findings.count { $0.level != .good }
        return count == 0
            ? "Machines run here, and nothing is to be mended."
            : "Machines run here; \(count) of \(findings.count) things could be better."
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

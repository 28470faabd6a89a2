// SPDX-License-Identifier: Apache-2.0

/// What a thread may ask of the kernel: the lines of a policy file, compiled to a filter.
///
/// A line is `name checks ; reason`. Lines of the same call are alternatives. Empty lines and lines
/// that begin with `#` are comments.
package struct SeccompPolicy: Hashable, Sendable {
    package let rules: [SeccompRule]

    /// Parses the text of a policy.
    package init(_ text: String) throws(SeccompPolicyError) {
        var rules: [SeccompRule] = []
        for line in text.split(separator: "\n") where !Self.isComment(line) {
            rules.append(try SeccompRule(line))
        }
        try self.init(rules: rules)
    }

    private init(rules: [SeccompRule]) throws(SeccompPolicyError) {
        guard !rules.isEmpty else { throw .noRules }
        for rule in rules where rule.checks.isEmpty {
            guard rules.count(where: { $0.number == rule.number }) == 1 else {
                throw .redundant(rule.name)
            }
        }
        self.rules = rules
    }

    /// Parses a file with a section for each role: `[vcpu]`, and the lines below it.
    package static func sections(
        _ text: String
    ) throws(SeccompPolicyError) -> [ThreadRole: SeccompPolicy] {
        var rules: [ThreadRole: [SeccompRule]] = [:]
        var current: ThreadRole?
        for line in text.split(separator: "\n") where !isComment(line) {
            if line.hasPrefix("["), line.hasSuffix("]") {
                let name = String(line.dropFirst().dropLast())
                guard let role = ThreadRole(rawValue: name) else { throw .unknownSection(name) }
                current = role
            } else if let current {
                rules[current, default: []].append(try SeccompRule(line))
            } else {
                throw .missingSection(ThreadRole.vcpu.rawValue)
            }
        }
        var policies: [ThreadRole: SeccompPolicy] = [:]
        for role in ThreadRole.allCases {
            guard let rules = rules[role] else { throw .missingSection(role.rawValue) }
            policies[role] = try SeccompPolicy(rules: rules)
        }
        return policies
    }

    private static func isComment(_ line: Substring) -> Bool {
        line.first == "#" || line.allSatisfy { $0 == " " }
    }

    /// Names of the calls, each once, in the order of the file.
    package var calls: [String] {
        var names: [String] = []
        for rule in rules where !names.contains(rule.name) { names.append(rule.name) }
        return names
    }

    /// The filter that allows what the policy allows, and traps anything else.
    package func compiled() throws(SeccompPolicyError) -> SeccompFilter {
        var program = SeccompProgram()
        program.checkArchitecture()
        program.append(
            calls.map { name in
                let alternatives = rules.filter { $0.name == name }
                return SeccompProgram.Call(
                    number: alternatives[0].number, alternatives: alternatives.map(\.checks))
            })
        guard program.instructions.count <= 4096 else {
            throw .tooLong(program.instructions.count)
        }
        return SeccompFilter(instructions: program.instructions)
    }
}

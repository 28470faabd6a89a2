// SPDX-License-Identifier: Apache-2.0
import CLinux

/// One line of a policy: a system call, and what its arguments must be like.
package struct SeccompRule: Hashable, Sendable {
    /// What one argument must be like.
    package struct Check: Hashable, Sendable {
        package enum Test: Hashable, Sendable {
            /// One of these values.
            case isAny([UInt64])
            /// Of these bits (the first), exactly those (the second) are set.
            case hasBits(mask: UInt64, value: UInt64)
        }

        /// 0 to 5.
        package let argument: Int
        /// Whether all 64 bits count; else the kernel takes an `int`, and what lies above is not
        /// looked at by anybody.
        package let isLong: Bool
        package let test: Test

        var valueCount: Int { if case .isAny(let values) = test { values.count } else { 1 } }
    }

    /// As asm/unistd.h has it.
    package let number: Int
    package let name: String
    /// All of them must hold.
    package let checks: [Check]
    package let reason: String

    /// Parses `name [check, check ...] ; reason`.
    init(_ line: Substring) throws(SeccompPolicyError) {
        let halves = line.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
        let reason = halves.count == 2 ? Self.trimmed(halves[1]) : ""
        guard !reason.isEmpty else { throw .noReason(String(line)) }
        let words = halves[0].split(separator: " ", maxSplits: 1)
        guard let name = words.first.map(String.init) else { throw .noCall(String(line)) }
        let number = unsafe clinux_syscall_number(name)
        guard number >= 0 else { throw .unknownCall(name) }
        var checks: [Check] = []
        if words.count == 2, !Self.trimmed(words[1]).isEmpty {
            for text in words[1].split(separator: ",") { checks.append(try Check(text)) }
        }
        // Distances of jumps have eight bits.
        guard checks.reduce(0, { $0 + $1.valueCount }) <= Self.valueLimit else {
            throw .tooManyValues(name)
        }
        self.number = Int(number)
        self.name = name
        self.checks = checks
        self.reason = reason
    }

    /// Most values on one line; more go on lines of their own.
    private static var valueLimit: Int { 40 }

    static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

extension SeccompRule.Check {
    /// Parses `int1 == VALUE`, `int1 in VALUE VALUE ...`, `long2 only BITS`, `int0 has BITS`,
    /// `int0 never BITS`. `int` looks at 32 bits of the argument, `long` at 64.
    init(_ text: Substring) throws(SeccompPolicyError) {
        let words = text.split(separator: " ").map(String.init)
        guard words.count >= 3, let digit = words[0].last, let argument = digit.wholeNumberValue,
            0...5 ~= argument, ["int", "long"].contains(words[0].dropLast())
        else { throw .badCheck(SeccompRule.trimmed(text)) }
        var values: [UInt64] = []
        for word in words[2...] { values.append(try Self.value(word)) }
        self.argument = argument
        isLong = words[0].hasPrefix("long")
        guard words[1] == "in" || values.count == 1 else {
            throw .badCheck(SeccompRule.trimmed(text))
        }
        let first = values[0]
        switch words[1] {
        case "==", "in": test = .isAny(values)
        case "only": test = .hasBits(mask: ~first, value: 0)
        case "has": test = .hasBits(mask: first, value: first)
        case "never": test = .hasBits(mask: first, value: 0)
        default: throw .badCheck(SeccompRule.trimmed(text))
        }
    }

    /// Numbers and names of constants, joined by `|`.
    private static func value(_ text: String) throws(SeccompPolicyError) -> UInt64 {
        var value: UInt64 = 0
        for word in text.split(separator: "|") {
            var symbol: UInt64 = 0
            if word.hasPrefix("0x"), let number = UInt64(word.dropFirst(2), radix: 16) {
                value |= number
            } else if let number = UInt64(word) {
                value |= number
            } else if unsafe clinux_policy_symbol(String(word), &symbol) == 1 {
                value |= symbol
            } else {
                throw .unknownConstant(String(word))
            }
        }
        return value
    }
}

/// Why a policy is refused.
package enum SeccompPolicyError: Error, Hashable, Sendable {
    case noReason(String)
    case noCall(String)
    case unknownCall(String)
    case unknownConstant(String)
    case badCheck(String)
    case tooManyValues(String)
    /// The call is allowed whatever its arguments on another line.
    case redundant(String)
    case noRules
    case unknownSection(String)
    /// One of the roles has no section, or none at all stands before the first rule.
    case missingSection(String)
    case tooLong(Int)
}

extension SeccompPolicyError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noReason(let line): "'\(line)' gives no reason; write 'name checks ; reason'"
        case .noCall(let line): "'\(line)' names no system call"
        case .unknownCall(let name): "there is no system call '\(name)'"
        case .unknownConstant(let name): "the constant '\(name)' is not known"
        case .badCheck(let text):
            "'\(text)' is no check; write 'int1 == VALUE', or 'in', 'only', 'has', 'never'"
        case .tooManyValues(let name):
            "a line of '\(name)' has more than 40 values; use several lines"
        case .redundant(let name): "'\(name)' is allowed by another line already"
        case .noRules: "the policy allows nothing"
        case .unknownSection(let name): "the section '\(name)' is not known"
        case .missingSection(let name): "the section '[\(name)]' is missing"
        case .tooLong(let count): "the filter has \(count) instructions; the kernel takes 4096"
        }
    }
}

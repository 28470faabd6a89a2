// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Instructions of a filter, as they are written. seccomp(2); classic BPF.
///
/// For each call there is one block, which the calls that do not concern it jump over. Within it each
/// alternative either allows the call or falls to the next one; behind the last stands a trap.
struct SeccompProgram {
    /// Each a `struct sock_filter`: code, distances if true and if false, operand.
    private(set) var instructions: [UInt64] = []

    private enum Code {
        /// Loads the word of `struct seccomp_data` at the operand: BPF_LD | BPF_W | BPF_ABS.
        static var load: UInt64 { 0x20 }
        /// BPF_ALU | BPF_AND | BPF_K.
        static var and: UInt64 { 0x54 }
        /// BPF_JMP | BPF_JEQ | BPF_K.
        static var jumpIfEqual: UInt64 { 0x15 }
        /// BPF_JMP | BPF_JGE | BPF_K.
        static var jumpIfAtLeast: UInt64 { 0x35 }
        /// BPF_RET | BPF_K.
        static var answer: UInt64 { 0x06 }
        /// BPF_JMP | BPF_JA.
        static var jump: UInt64 { 0x05 }
    }

    private enum Answer {
        static var killProcess: UInt32 { 0x8000_0000 }
        static var trap: UInt32 { 0x0003_0000 }
        static var allow: UInt32 { 0x7fff_0000 }
    }

    private static func instruction(
        _ code: UInt64, _ operand: UInt32, ifTrue: Int = 0, ifFalse: Int = 0
    ) -> UInt64 {
        code | UInt64(ifTrue) << 16 | UInt64(ifFalse) << 24 | UInt64(operand) << 32
    }

    /// Kills the process for calls of another architecture, x32 among them; leaves the call's number
    /// loaded.
    mutating func checkArchitecture() {
        instructions += [
            Self.instruction(Code.load, 4),
            Self.instruction(Code.jumpIfEqual, clinux_audit_arch, ifTrue: 1),
            Self.instruction(Code.answer, Answer.killProcess),
            Self.instruction(Code.load, 0),
            Self.instruction(Code.jumpIfAtLeast, 0x4000_0000, ifFalse: 1),
            Self.instruction(Code.answer, Answer.killProcess),
        ]
    }

    mutating func trap() { instructions.append(Self.instruction(Code.answer, Answer.trap)) }

    /// The block of one call.
    mutating func append(call number: Int, alternatives: [[SeccompRule.Check]]) {
        var block: [UInt64] = []
        if alternatives.contains(where: \.isEmpty) {
            block = [Self.instruction(Code.answer, Answer.allow)]
        } else {
            for checks in alternatives { block += Self.alternative(checks) }
            block.append(Self.instruction(Code.answer, Answer.trap))
        }
        if block.count < 256 {
            instructions.append(
                Self.instruction(Code.jumpIfEqual, UInt32(number), ifFalse: block.count))
        } else {
            instructions.append(Self.instruction(Code.jumpIfEqual, UInt32(number), ifTrue: 1))
            instructions.append(Self.instruction(Code.jump, UInt32(block.count)))
        }
        instructions += block
    }

    /// Allows the call if all checks hold, else goes on behind.
    private static func alternative(_ checks: [SeccompRule.Check]) -> [UInt64] {
        let allow = instruction(Code.answer, Answer.allow)
        // From the last check to the first, as each must know how much is behind it.
        return checks.reversed().reduce([allow]) { rest, check in
            Self.words(check, whole: rest) + rest
        }
    }

    /// Instructions that fall to what follows if `check` holds, else jump over `rest`.
    private static func words(_ check: SeccompRule.Check, whole rest: [UInt64]) -> [UInt64] {
        // struct seccomp_data: number, architecture, instruction pointer, then the arguments.
        let low = UInt32(16 + 8 * check.argument)
        switch check.test {
        case .hasBits(let mask, let value):
            var block = word(
                at: low, mask: UInt32(truncatingIfNeeded: mask),
                value: UInt32(truncatingIfNeeded: value), over: rest.count)
            if check.isLong {
                block =
                    word(
                        at: low + 4, mask: UInt32(mask >> 32), value: UInt32(value >> 32),
                        over: rest.count + block.count) + block
            }
            return block
        case .isAny(let values):
            return check.isLong
                ? longValues(values, at: low, over: rest.count)
                : shortValues(values, at: low, over: rest.count)
        }
    }

    private static func word(
        at offset: UInt32, mask: UInt32, value: UInt32, over count: Int
    ) -> [UInt64] {
        [
            instruction(Code.load, offset), instruction(Code.and, mask),
            instruction(Code.jumpIfEqual, value, ifFalse: count),
        ]
    }

    private static func shortValues(
        _ values: [UInt64], at offset: UInt32, over count: Int
    ) -> [UInt64] {
        var block = [instruction(Code.load, offset)]
        for (index, value) in values.enumerated() {
            let left = values.count - 1 - index
            block.append(
                instruction(
                    Code.jumpIfEqual, UInt32(truncatingIfNeeded: value), ifTrue: left,
                    ifFalse: left == 0 ? count : 0))
        }
        return block
    }

    /// For each value both halves; the next one is tried if either differs.
    private static func longValues(
        _ values: [UInt64], at offset: UInt32, over count: Int
    ) -> [UInt64] {
        var block: [UInt64] = []
        for (index, value) in values.enumerated() {
            let left = (values.count - 1 - index) * 4
            let miss = left == 0 ? count : 0
            block += [
                instruction(Code.load, offset + 4),
                instruction(Code.jumpIfEqual, UInt32(value >> 32), ifFalse: 2 + miss),
                instruction(Code.load, offset),
                instruction(
                    Code.jumpIfEqual, UInt32(truncatingIfNeeded: value), ifTrue: left,
                    ifFalse: miss),
            ]
        }
        return block
    }
}

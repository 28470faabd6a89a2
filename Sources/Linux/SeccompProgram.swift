// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Instructions of a filter, as they are written. seccomp(2); classic BPF.
///
/// The kernel runs a new filter for each call there is, to find those that it allows always, and then
/// translates it: each thread of a start pays for both. So calls are looked for in a tree, and those
/// without checks share their answer.
///
/// A call with checks has a block, which others jump over. Within it each alternative either allows
/// the call or falls to the next one; behind the last stands a trap.
struct SeccompProgram {
    /// One call, which is allowed if all checks of one of its alternatives hold.
    struct Call {
        let number: Int
        let alternatives: [[SeccompRule.Check]]
        /// It is allowed whatever its arguments.
        var isFree: Bool { alternatives.contains(where: \.isEmpty) }
    }

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

    /// Answers these calls, and traps all others: it is the end of the program.
    ///
    /// The first, if it has checks, is looked for first: the kernel asks each time it is made.
    mutating func append(_ calls: [Call]) {
        var rest = calls[...]
        if let first = calls.first, !first.isFree {
            instructions += Self.block(first)
            rest = calls.dropFirst()
        }
        instructions += Self.tree(rest.sorted { $0.number < $1.number }[...])
    }

    /// Most calls that are looked for one after the other.
    private static var groupSize: Int { 5 }

    /// Finds a call among those in the order of their numbers.
    private static func tree(_ calls: ArraySlice<Call>) -> [UInt64] {
        guard calls.count > groupSize else { return group(calls) }
        let middle = calls.startIndex + calls.count / 2
        let number = UInt32(calls[middle].number)
        let low = tree(calls[..<middle])
        let branch =
            low.count < 256
            ? [instruction(Code.jumpIfAtLeast, number, ifTrue: low.count)]
            : [
                instruction(Code.jumpIfAtLeast, number, ifFalse: 1),
                instruction(Code.jump, UInt32(low.count)),
            ]
        return branch + low + tree(calls[middle...])
    }

    /// Those without checks, which jump to one answer, then the blocks of the others, then a trap.
    private static func group(_ calls: ArraySlice<Call>) -> [UInt64] {
        let free = calls.filter(\.isFree)
        var group: [UInt64] = []
        for (index, call) in free.enumerated() {
            let left = free.count - 1 - index
            group.append(
                instruction(
                    Code.jumpIfEqual, UInt32(call.number), ifTrue: left,
                    ifFalse: left == 0 ? 1 : 0))
        }
        if !free.isEmpty { group.append(instruction(Code.answer, Answer.allow)) }
        for call in calls where !call.isFree { group += block(call) }
        return group + [instruction(Code.answer, Answer.trap)]
    }

    /// The block of one call, and the jump over it.
    private static func block(_ call: Call) -> [UInt64] {
        let number = UInt32(call.number)
        var block = call.alternatives.flatMap(alternative)
        block.append(instruction(Code.answer, Answer.trap))
        guard block.count < 256 else {
            return [
                instruction(Code.jumpIfEqual, number, ifTrue: 1),
                instruction(Code.jump, UInt32(block.count)),
            ] + block
        }
        return [instruction(Code.jumpIfEqual, number, ifFalse: block.count)] + block
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

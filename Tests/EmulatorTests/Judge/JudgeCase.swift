// SPDX-License-Identifier: Apache-2.0

/// What two processors are given to do, and what is asked of the results.
struct JudgeCase {
    /// Where processors may differ by design.
    enum Tolerance: UInt8 {
        case none
        /// RCP, RSQRT: 12 bits are right.
        case estimate
        /// Last digits, and the direction they were rounded in.
        case transcendental
        /// As these, and the more the larger the angle: the host takes π for 66 bits long.
        case angle
    }

    var form: JudgeForm
    /// Where its code begins, in bytes from ``JudgedMemory/code``, and how many bytes it is, with
    /// the jump behind it.
    var offset = 0
    var codeCount = 0
    /// Address behind the last instruction.
    var end: UInt64 = 0
    /// Address of the memory operand, if the generator chose one.
    var operand: UInt64 = 0
    /// Instructions, if there is more than one.
    var isSequence = false
    /// The emulator executes it as blocks.
    var asBlocks = false
    /// Accesses many words, in whatever order: of a page fault the address is not compared.
    var hasManyAccesses = false
    /// CMPS, alone or among others: which of its two operands is read first is the processor's own.
    var comparesStrings: Bool { isSequence || form.map == 0 && form.opcode & ~1 == 0xa6 }
    var definedFlags = JudgeFlags.all
    var tolerance = Tolerance.none
    /// The vector register that the tolerance is for.
    var target = 0
}

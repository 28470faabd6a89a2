// SPDX-License-Identifier: Apache-2.0

@testable import Emulator

/// Makes instructions and the states they start in, the same for the same seed.
struct JudgeGenerator {
    var random: JudgeRandom
    let decoder = JudgeDecoder()
    let forms64: [JudgeForm]
    private let forms32: [JudgeForm]
    private let refused64: [JudgeForm]
    private let refused32: [JudgeForm]
    /// Those that a block of many instructions may hold.
    private let harmless: [JudgeForm]
    /// The next form, so that each is judged equally often.
    private var turn = 0

    /// The bytes being made, and the state they will start in.
    var code: [UInt8] = []
    var state = JudgedState()
    var form = JudgeForm(map: 0, opcode: 0x90)
    /// Address of the instruction being made.
    var place: UInt64 = 0
    /// In a block: only some registers may be changed, and operands lie at fixed places.
    var inBlock = false

    /// ``form`` is none that the decoder knows.
    var isRefused = false

    // The instruction's parts.
    var rex: UInt8 = 0
    var has66 = false
    var has67 = false
    var isLocked = false
    var repeats: UInt8 = 0
    var segment: UInt8 = 0
    /// ModRM.reg with REX.R.
    var regField = 0
    /// Address of its memory operand, where it was chosen.
    var operand: UInt64?

    init(seed: UInt64) {
        random = JudgeRandom(seed: seed)
        let wide = decoder.forms(is32: false)
        let narrow = decoder.forms(is32: true)
        forms64 = wide.known
        forms32 = narrow.known
        refused64 = wide.refused
        refused32 = narrow.refused
        harmless = wide.known.filter(Self.isHarmless)
    }

    /// Everything that is judged.
    var allForms: [JudgeForm] { forms64 + forms32 }

    private static func isHarmless(_ form: JudgeForm) -> Bool {
        switch form.map {
        case 0:
            switch form.opcode {
            case 0x50...0x61, 0x68, 0x6a, 0x6c...0x7f, 0x8f, 0x9c, 0x9d, 0xa0...0xa7, 0xaa...0xaf,
                0xc2, 0xc3, 0xc8...0xcf, 0xd7, 0xd8...0xdf, 0xe0...0xef, 0xf1, 0xf4, 0xfa, 0xfb,
                0x9b:
                false
            case 0xff: form.group ?? 0 < 2
            case 0xf6, 0xf7: form.group ?? 0 < 6
            default: true
            }
        case 1:
            switch form.opcode {
            case 0x00...0x0f, 0x20...0x23, 0x30...0x37, 0x80...0x8f, 0xa0...0xa3, 0xa8...0xab, 0xae,
                0xb3, 0xbb, 0xc7, 0xc8...0xcf, 0xa4, 0xa5, 0xac, 0xad, 0x52, 0x53, 0xf7, 0xff, 0xb9,
                0x0b, 0xbc, 0xbd:
                false
            default: true
            }
        default: true
        }
    }

    // MARK: Cases

    /// One instruction, or a block of many now and then.
    mutating func next(at place: UInt64, room: Int) -> (JudgeCase, JudgedState) {
        code.removeAll(keepingCapacity: true)
        if room >= 224 && random.below(12) == 0 { return block(at: place) }
        inBlock = false
        turn += 1
        let is32 = turn & 7 == 0
        form = pick(is32: is32)
        self.place = place
        state = JudgedState()
        state.mode = is32 ? 1 : 0
        fillState()
        var result = JudgeCase(form: form)
        instruction()
        result.definedFlags = definedFlags()
        (result.tolerance, result.target) = tolerance()
        result.hasManyAccesses = hasManyAccesses
        result.end = place &+ UInt64(code.count)
        appendExit(is32: is32)
        result.codeCount = code.count
        result.asBlocks = random.chance(30)
        finishState()
        result.operand = operand ?? 0
        return (result, state)
    }

    private mutating func pick(is32: Bool) -> JudgeForm {
        isRefused = random.below(40) == 0
        if isRefused { return random.pick(is32 ? refused32 : refused64) }
        return random.pick(is32 ? forms32 : forms64)
    }

    /// Goes on with the judge behind the instructions.
    mutating func appendExit(is32: Bool) {
        append(
            JudgedMemory.wayOut(from: place &+ UInt64(code.count), is32: is32),
            JudgedMemory.wayOutCount(is32: is32))
    }

    mutating func append(_ value: UInt64, _ count: Int) {
        for index in 0..<count {
            code.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
        }
    }

    mutating func harmlessForm() -> JudgeForm { random.pick(harmless) }

    // MARK: What may differ

    /// Bits of the operand of integer instructions.
    var operandBits: Int {
        let isByte =
            form.map == 0 && form.opcode & 1 == 0 || form.map == 1 && form.opcode & 0xfe == 0xb0
        if isByte { return 8 }
        if rex & 8 != 0 { return 64 }
        return has66 ? 16 : 32
    }

    func definedFlags() -> UInt64 {
        var count: UInt8 = 1
        switch (form.map, form.opcode) {
        case (0, 0xc0), (0, 0xc1), (1, 0xa4), (1, 0xac): count = code.last ?? 0
        case (0, 0xd2), (0, 0xd3), (1, 0xa5), (1, 0xad):
            count = UInt8(truncatingIfNeeded: state.general[1])
        default: break
        }
        return JudgeFlags.all & ~JudgeFlags.undefined(form, count: count, bits: operandBits)
    }

    /// FLDENV, FNSTENV, FRSTOR, FNSAVE, FXSAVE, FXRSTOR.
    var hasManyAccesses: Bool {
        switch (form.map, form.opcode) {
        case (0, 0xd9), (0, 0xdd): form.group == 4 || form.group == 6
        case (1, 0xae): true
        default: false
        }
    }

    private func tolerance() -> (JudgeCase.Tolerance, Int) {
        switch (form.map, form.opcode) {
        case (1, 0x52), (1, 0x53):
            return (.estimate, regField)
        case (0, 0xd9) where form.isMemory == false:
            let number = (form.group ?? 0) << 3 | (form.low ?? 0)
            switch number {
            case 0x32, 0x3b, 0x3e, 0x3f: return (.angle, 0)
            case 0x30, 0x31, 0x33, 0x39: return (.transcendental, 0)
            default: return (.none, 0)
            }
        default: return (.none, 0)
        }
    }
}

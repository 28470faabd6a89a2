// SPDX-License-Identifier: Apache-2.0

/// The bytes of one instruction: prefixes, opcode, ModRM and what follows it.
extension JudgeGenerator {
    /// Appends an instruction of ``form`` to ``code``.
    mutating func instruction() {
        let start = code.count
        operand = nil
        rex = 0
        has66 = form.prefix == 0x66
        has67 = false
        isLocked = false
        repeats = form.prefix == 0xf3 || form.prefix == 0xf2 ? form.prefix : 0
        segment = 0
        choosePrefixes()
        appendPrefixes()
        code += form.opcodeBytes
        var hole: Int?
        if let isMemory = form.isMemory { hole = modRM(isMemory: isMemory) }
        let tail = code.count
        appendImmediates()
        while code.count - start < 16 { code.append(random.byte()) }
        let length = decoder.length(code[start...], is32: form.is32) ?? min(code.count - start, 15)
        code.removeSubrange((start + length)...)
        if code.count < tail { while code.count < tail { code.append(0) } }
        breakLoop(length: code.count - start)
        if let hole { fixRelative(hole) }
    }

    /// A jump to itself, which would never end, becomes one to what follows it.
    private mutating func breakLoop(length: Int) {
        let isShort = form.map == 0 && (0x70...0x7f ~= form.opcode || 0xe0...0xe3 ~= form.opcode)
        let isNearJump = form.map == 0 && form.opcode == 0xe9 || isNear
        let count = isShort || form.map == 0 && form.opcode == 0xeb ? 1 : isNearJump ? 4 : 0
        guard count != 0, code.count >= count, !has66 || count == 1 else { return }
        let itself = -Int64(length)
        for index in 0..<count {
            let byte = UInt8(truncatingIfNeeded: itself >> Int64(8 * index))
            if code[code.count - count + index] != byte { return }
        }
        for index in 1...count { code[code.count - index] = 0 }
    }

    private mutating func choosePrefixes() {
        let selected = JudgeOpcodes.isSelected(form.map, form.opcode)
        let isString =
            form.map == 0 && (0xa4...0xa7 ~= form.opcode || 0xaa...0xaf ~= form.opcode)
        if !selected || repeats != 0 {
            has66 = has66 || random.chance(selected ? 6 : 22)
        }
        if !selected {
            let isScan = form.map == 1 && (form.opcode == 0xbc || form.opcode == 0xbd)
            if random.chance(isString ? 60 : 3) {
                repeats = random.chance(50) || isScan ? 0xf2 : 0xf3
            }
            // WBNOINVD, XACQUIRE and kin are as they are without.
            if form.map == 1 && !isScan && repeats != 0 && !isNear { repeats = 0 }
        }
        // The results of these with 16-bit operands are undefined.
        let isSwap = form.map == 1 && 0xc8...0xcf ~= form.opcode
        if isSwap { has66 = false }
        if inBlock { repeats = form.prefix == 0x66 ? 0 : form.prefix }
        has67 = random.chance(5) && !inBlock
        if random.chance(10) && !inBlock {
            segment = random.pick([0x64, 0x65, 0x64, 0x65, 0x2e, 0x36, 0x3e, 0x26])
        }
        if form.is32 && has67 && form.isMemory == true && random.chance(80) { segment = 0x64 }
        let lockable = form.isMemory == true && form.map < 2
        if random.chance(lockable ? 8 : 2) && !inBlock { isLocked = true }
        // LOCK MOV CR0 names CR8 on AMD's processors, unless CPUID says otherwise.
        if form.map == 1 && 0x20...0x23 ~= form.opcode { isLocked = false }
        guard !form.is32 else { return }
        if random.chance(55) {
            rex = 0x40 | UInt8(random.below(16))
            if inBlock { rex &= 0x48 }
        }
    }

    /// Branches, where prefixes are hints.
    private var isNear: Bool { form.map == 1 && 0x80...0x8f ~= form.opcode }

    private mutating func appendPrefixes() {
        var prefixes: [UInt8] = []
        if has66 { prefixes.append(0x66) }
        if has67 { prefixes.append(0x67) }
        if isLocked { prefixes.append(0xf0) }
        if repeats != 0 { prefixes.append(repeats) }
        if segment != 0 { prefixes.append(segment) }
        if prefixes.count > 1 {
            let one = random.below(prefixes.count)
            let other = random.below(prefixes.count)
            prefixes.swapAt(one, other)
        }
        // Processors find out the length of what they refuse, and tell if it is beyond 15 bytes; the
        // decoder refuses at once.
        if isRefused { prefixes.removeLast(max(prefixes.count - 2, 0)) }
        if !inBlock && !isRefused && random.below(60) == 0 {
            // Up to the limit of 15 bytes and beyond.
            for _ in 0..<random.below(15) { prefixes.insert(form.is32 ? 0x3e : 0x2e, at: 0) }
            if form.is32 && segment == 0 && prefixes.first == 0x3e { segment = 0x3e }
        }
        if !inBlock && !form.is32 && random.below(80) == 0 {
            // A REX prefix that does not come last counts for nothing.
            prefixes.insert(0x40 | UInt8(random.below(16)), at: 0)
            if prefixes.count == 1 {
                rex = prefixes[0]
                prefixes = []
            }
        }
        code += prefixes
        if rex != 0 { code.append(rex) }
    }

    private mutating func appendImmediates() {
        var bits = random.chance(50) ? random.integer() : random.next()
        let isDoubleShift = form.map == 1 && (form.opcode == 0xa4 || form.opcode == 0xac)
        if isDoubleShift && has66 && rex & 8 == 0 { bits &= ~0x10 }
        if form.map == 0 && form.opcode == 0xcd && bits & 0xff == 0x80 { bits ^= 1 }
        if form.map == 0 && form.opcode == 0xc8 { bits &= ~0xe0_f000 }
        if form.map == 0 && 0x70...0x7f ~= form.opcode || isNear && random.chance(80)
            || form.map == 0 && (form.opcode == 0xe8 || form.opcode == 0xe9) && random.chance(80)
        {
            bits = UInt64(bitPattern: Int64(random.below(256) - 128))
        }
        append(bits, 8)
    }

    // MARK: ModRM

    /// Appends ModRM, SIB and displacement; answers where a displacement lies that is relative to
    /// the instruction's end.
    private mutating func modRM(isMemory: Bool) -> Int? {
        let reg = form.group ?? register()
        regField = Int(reg) | (rex & 4 != 0 ? 8 : 0)
        guard isMemory else {
            code.append(0xc0 | reg << 3 | (form.low ?? register()))
            return nil
        }
        if inBlock { return blockOperand(reg) }
        if addressBits == 16 {
            narrowOperand(reg)
            return nil
        }
        let mod = UInt8(random.below(3))
        let rm = UInt8(random.below(8))
        code.append(mod << 6 | reg << 3 | rm)
        var base: Int? = Int(rm) | (rex & 1 != 0 ? 8 : 0)
        var index: Int?
        var scale: UInt64 = 0
        if rm == 4 {
            let sib = random.byte()
            code.append(sib)
            base = Int(sib & 7) | (rex & 1 != 0 ? 8 : 0)
            index = Int(sib >> 3 & 7) | (rex & 2 != 0 ? 8 : 0)
            if index == 4 { index = nil }
            scale = UInt64(sib >> 6)
            if mod == 0 && sib & 7 == 5 { base = nil }
        } else if mod == 0 && rm == 5 {
            base = nil
        }
        let target = chooseTarget()
        let hasWide = mod == 2 || base == nil
        if base == nil && index == nil {
            operand = target
            let isRelative = !form.is32 && rm == 5
            append(target &- segmentBase, 4)
            return isRelative ? code.count - 4 : nil
        }
        let displacement = chooseDisplacement(mod, wide: hasWide)
        solve(target, base, index, scale, displacement)
        return nil
    }

    /// A register number of three bits.
    private mutating func register() -> UInt8 {
        guard inBlock else { return UInt8(random.below(8)) }
        // RSP stays, with and without REX.
        return random.pick([0, 1, 2, 3, 5, 6, 7])
    }

    var addressBits: Int { form.is32 ? (has67 ? 16 : 32) : (has67 ? 32 : 64) }

    /// The base that a segment override adds.
    var segmentBase: UInt64 {
        segment == 0x64 ? state.fsBase : segment == 0x65 ? state.gsBase : 0
    }

    private mutating func chooseDisplacement(_ mod: UInt8, wide: Bool) -> UInt64 {
        if wide {
            let value = random.chance(70) ? UInt64(random.below(4096)) : random.next()
            append(value, 4)
            return UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: value)))
        }
        guard mod == 1 else { return 0 }
        let byte = random.byte()
        code.append(byte)
        return UInt64(bitPattern: Int64(Int8(bitPattern: byte)))
    }

    /// 16-bit addresses reach the data only through a segment with a base.
    private mutating func narrowOperand(_ reg: UInt8) {
        let mod = UInt8(random.below(3))
        let rm = Int(random.below(8))
        code.append(mod << 6 | reg << 3 | UInt8(rm))
        let isAbsolute = mod == 0 && rm == 6
        let displacement = random.next()
        let bytes = isAbsolute ? 2 : Int(mod)
        append(displacement, bytes)
        // BX, BP, SI, DI and pairs of them. Intel SDM 2, table 2-1.
        let bases = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]]
        var address = bytes == 2 ? displacement : 0
        if bytes == 1 {
            address = UInt64(bitPattern: Int64(Int8(truncatingIfNeeded: displacement)))
        }
        if !isAbsolute { for number in bases[rm] { address = address &+ state.general[number] } }
        operand = (address & 0xffff &+ segmentBase) & 0xffff_ffff
    }

    /// Where the operand is to be: mostly in the data, at all alignments, at the edges of pages.
    mutating func chooseTarget() -> UInt64 {
        let data = JudgedMemory.data
        let count = UInt64(JudgedMemory.dataCount)
        let offset = UInt64(random.below(JudgedMemory.dataCount))
        switch random.below(20) {
        case 0: return data &+ (offset & ~0xfff) &- UInt64(random.below(24))
        case 1: return data &+ count &- UInt64(random.below(40))
        case 2: return data &+ count &+ UInt64(random.below(0x1200))
        case 3:
            // Images with fields that are not compared are not stored into code.
            if random.chance(50) || hasManyAccesses { return random.integer() }
            if random.chance(50) { return besideCode() }
            return JudgedMemory.code &+ offset
        case 4...12: return data &+ offset & ~15
        default: return data &+ offset
        }
    }

    /// Sets registers so that the address becomes `target`, as far as that can be.
    private mutating func solve(
        _ target: UInt64, _ base: Int?, _ index: Int?, _ scale: UInt64, _ displacement: UInt64
    ) {
        let wanted = target &- displacement &- segmentBase
        if let base, let index, base == index {
            state.general[base] = wanted / (1 + (1 << scale))
        } else if let base, let index {
            if random.chance(90) { state.general[index] = UInt64(random.below(256)) }
            state.general[base] = wanted &- state.general[index] << scale
        } else if let base {
            state.general[base] = wanted
        } else if let index {
            state.general[index] = wanted >> scale
        }
        var address = displacement
        if let base { address = address &+ state.general[base] }
        if let index { address = address &+ state.general[index] << scale }
        if addressBits == 32 { address &= 0xffff_ffff }
        operand = (address &+ segmentBase) & (form.is32 ? 0xffff_ffff : .max)
    }

    /// Makes a displacement relative to the end of the instruction.
    private mutating func fixRelative(_ hole: Int) {
        guard hole + 4 <= code.count else { return }
        var value: UInt64 = 0
        for byte in 0..<4 { value |= UInt64(code[hole + byte]) << UInt64(8 * byte) }
        value = value &- (place &+ UInt64(code.count))
        for byte in 0..<4 {
            code[hole + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
        }
    }
}

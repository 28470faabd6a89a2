// SPDX-License-Identifier: Apache-2.0

/// The state that an instruction starts in.
extension JudgeGenerator {
    /// Registers, flags and both floating-point units, with what ``form`` uses unnamed set so that
    /// something comes of it.
    mutating func fillState() {
        state.rip = place
        for number in 0..<16 {
            state.general[number] = random.chance(20) ? pointer() : random.integer()
        }
        let stack = JudgedMemory.data &+ 0x1000 &+ UInt64(random.below(0x2000))
        if random.chance(92) { state.general[4] = random.chance(85) ? stack & ~7 : stack }
        if !inBlock && random.below(100) == 0 { state.general[4] = besideCode() }
        state.rflags = 0x202 | random.next() & 0x8d5
        if random.chance(25) { state.rflags |= 0x400 }
        if random.chance(3) { state.rflags |= 0x4_0000 }
        if random.chance(10) { state.rflags |= 0x20_0000 }
        state.fsBase = base()
        state.gsBase = base()
        fillVectors()
        fillX87()
        if !inBlock { fillImplicit() }
        if form.is32 {
            for number in 0..<8 { state.general[number] &= 0xffff_ffff }
            for number in 8..<16 { state.general[number] = 0 }
        }
    }

    /// Near the code itself, mostly not in it: what is stored there lies in the same block's reach.
    mutating func besideCode() -> UInt64 {
        place &+ UInt64(random.below(100) < 50 ? random.below(32) : 24 + random.below(72)) &- 24
    }

    mutating func pointer() -> UInt64 {
        let address = JudgedMemory.data &+ UInt64(random.below(JudgedMemory.dataCount))
        return random.chance(60) ? address & ~15 : address
    }

    /// Of FS or GS. Not so close below 2^64 that base, offset and size could have two carries: of
    /// those AMD's processors take one for a place that is not canonical.
    private mutating func base() -> UInt64 {
        if random.chance(95) { return JudgedMemory.data &+ UInt64(random.below(0x1000)) }
        let base = UInt64(bitPattern: (Int64(bitPattern: random.integer()) << 17) >> 17)
        return base < 0 &- 576 ? base : base & ~0x3ff
    }

    private mutating func fillVectors() {
        for number in 0..<16 { state.setVector(number, random.vector()) }
        var control: UInt32 = 0x1f80
        if random.chance(50) {
            let bits = UInt32(truncatingIfNeeded: random.next())
            control |= bits & 0x6000
            if random.chance(25) { control |= bits & 0x8040 }
            if random.chance(25) { control &= ~(bits >> 3 & 0x1f80) }
            if random.chance(40) { control |= bits >> 20 & 0x3f }
        }
        state.mxcsr = control
    }

    private mutating func fillX87() {
        var control: UInt16 = 0x37f
        let bits = random.next()
        if random.chance(60) {
            control = 0x7f | UInt16(truncatingIfNeeded: bits) & 0xf00
            if control & 0x300 == 0x100 { control ^= 0x100 }
            if random.chance(35) { control &= ~(UInt16(truncatingIfNeeded: bits >> 16) & 0x3f) }
        }
        state.controlWord = control
        var status = UInt16(truncatingIfNeeded: bits >> 32) & 0x7f00
        if random.chance(12) { status |= UInt16(truncatingIfNeeded: bits >> 48) & 0x7f }
        if status & ~control & 0x3f != 0 { status |= 0x8080 }
        state.statusWord = status
        let top = UInt8(truncatingIfNeeded: status >> 11) & 7
        switch random.below(10) {
        case 0...5:
            // The upper registers of the stack are in use.
            let used = UInt8(truncatingIfNeeded: (UInt16(1) << UInt16(1 + random.below(8))) &- 1)
            state.tags = used << top | UInt8(truncatingIfNeeded: UInt16(used) >> (8 - UInt16(top)))
        case 6: state.tags = 0
        case 7: state.tags = 0xff
        default: state.tags = random.byte()
        }
        for index in 0..<8 {
            let value = random.extended()
            state.setStack(
                index, significand: value.significand, signAndExponent: value.signAndExponent)
        }
    }

    /// Registers that instructions use without naming them.
    private mutating func fillImplicit() {
        switch (form.map, form.opcode) {
        case (0, 0xa4...0xa7), (0, 0xaa...0xaf), (0, 0x6c...0x6f), (1, 0xf7):
            state.general[6] = pointer()
            state.general[7] = pointer()
            if random.chance(30) { state.general[7] = state.general[6] &+ UInt64(random.below(64)) }
            state.general[1] = UInt64(random.below(random.chance(95) ? 40 : 5000))
            if form.map == 1 && random.chance(50) { state.general[7] = chooseTarget() }
        case (0, 0xd7): state.general[3] = pointer()
        case (0, 0xc8), (0, 0xc9): state.general[5] = pointer()
        case (0, 0xf6), (0, 0xf7):
            if random.chance(70) {
                // Quotients that fit.
                state.general[2] = random.chance(50) ? 0 : .max
                state.general[0] = random.integer()
            }
        case (0, 0xe0...0xe3): if random.chance(60) { state.general[1] = UInt64(random.below(3)) }
        case (1, 0xa3), (1, 0xab), (1, 0xb3), (1, 0xbb):
            if random.chance(85) {
                for number in 0..<16 {
                    state.general[number] = UInt64(bitPattern: Int64(random.below(4000) - 2000))
                }
            }
        case (1, 0xa5), (1, 0xad): state.general[1] = UInt64(random.below(16))
        case (3, 0x60...0x63):
            for number in [0, 2] {
                state.general[number] = UInt64(bitPattern: Int64(random.below(40) - 20))
            }
            if random.chance(50) { fillText() }
        default: break
        }
    }

    /// Few letters, so that strings have something in common.
    private mutating func fillText() {
        for number in 0..<16 {
            var words = SIMD2<UInt64>.zero
            for index in 0..<16 {
                let letter = UInt64(random.below(5)) &* 0x3f & 0xff
                words[index >> 3] |= letter << UInt64(index & 7 * 8)
            }
            state.setVector(number, words)
        }
    }

    // MARK: Once the instruction is made

    /// What lies in memory, where branches lead, and what cannot be compared.
    mutating func finishState() {
        if form.is32 {
            for number in 0..<8 { state.general[number] &= 0xffff_ffff }
        }
        keepDefined()
        chooseBranchTargets()
        guard let operand, isInData(operand, 16) else { return scrubOperand() }
        if state.poke == 0, random.chance(80) {
            state.poke = operand
            pokeValue()
        }
        scrubOperand()
    }

    /// Takes out of the state what the manuals leave open, or what is not emulated.
    private mutating func keepDefined() {
        // The results of double shifts by more than the operand's bits are undefined.
        if form.map == 1, form.opcode == 0xa5 || form.opcode == 0xad, has66, rex & 8 == 0 {
            state.general[1] &= ~0x10
        }
    }

    private func isInData(_ address: UInt64, _ count: UInt64) -> Bool {
        address >= JudgedMemory.data
            && address &+ count <= JudgedMemory.data &+ UInt64(JudgedMemory.dataCount)
            && address < JudgedMemory.data &+ UInt64(JudgedMemory.dataCount)
    }

    private mutating func pokeValue() {
        let isX87 = form.map == 0 && 0xd8...0xdf ~= form.opcode
        if isX87 {
            if form.opcode == 0xdf && form.group == 4 { return pokeDecimal() }
            if form.opcode == 0xdb {
                let value = random.extended()
                state.poked[0] = value.significand
                state.poked[1] = UInt64(value.signAndExponent)
                return
            }
        }
        let value = random.vector()
        state.poked[0] = value[0]
        state.poked[1] = value[1]
        if form.map == 1 && (form.opcode == 0xb1 || form.opcode == 0xc7) && random.chance(50) {
            state.poked[0] =
                form.opcode == 0xc7 && rex & 8 == 0
                ? state.general[2] << 32 | state.general[0] & 0xffff_ffff : state.general[0]
            state.poked[1] = state.general[2]
        }
        if form.map == 1 && form.opcode == 0xae && form.group == 2 {
            // LDMXCSR: bit 17 is AMD's.
            state.poked[0] &= random.chance(80) ? 0xffff : 0xffff_ffff_fffd_ffff
        }
    }

    private mutating func pokeDecimal() {
        var digits: UInt64 = 0
        for index in 0..<16 { digits |= UInt64(random.below(10)) << UInt64(4 * index) }
        state.poked[0] = random.chance(80) ? digits : random.next()
        state.poked[1] = random.next() & 0x80ff
    }

    private mutating func chooseBranchTargets() {
        guard form.map == 0 else { return }
        // 32-bit code leaves through the far jump behind it only.
        let exit = form.is32 ? place &+ UInt64(code.count - 7) : JudgedMemory.exit
        let target = random.chance(70) ? exit : place &+ 1 &+ UInt64(random.below(63))
        switch form.opcode {
        case 0xc2, 0xc3:
            guard random.chance(70), isInData(state.general[4], 16) else { return }
            state.poke = state.general[4]
        case 0xff where form.group == 2 || form.group == 4:
            guard random.chance(70) else { return }
            if form.isMemory == false {
                let number = Int(code[code.count - (form.is32 ? 8 : 6)] & 7)
                state.general[number | (rex & 1 != 0 ? 8 : 0)] = target
                return
            }
            guard let operand, isInData(operand, 16) else { return }
            state.poke = operand
        default: return
        }
        state.poked[0] = target
    }

    /// Instruction and data pointers that x87 images hold are not compared: AMD's processors write
    /// them only while an exception waits, and none is kept here.
    private mutating func scrubOperand() {
        guard let operand, form.isMemory == true else { return }
        let isWide = !has66 || rex & 8 != 0
        switch (form.map, form.opcode, form.group) {
        case (0, 0xd9, 6), (0, 0xdd, 6):
            state.scrub = operand &+ (isWide ? 12 : 6)
            state.scrubCount = isWide ? 16 : 8
        case (1, 0xae, 0):
            // And MXCSR_MASK.
            state.scrub = operand &+ 6
            state.scrubCount = 26
        default: return
        }
        if !isInData(state.scrub, state.scrubCount) {
            state.scrub = 0
            state.scrubCount = 0
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Control and status words, environments, whole states. Intel SDM 1, 8.1.8, 8.1.10.
extension X87Handlers {
    /// FNINIT. Registers keep their contents, and are empty.
    static let initialize: Handler = {
        Processor($0).initializeX87()
        return Op($1).next
    }

    /// FNCLEX.
    static let clearExceptions: Handler = {
        Processor($0).state.x87.status &= X87Status.conditions
        return Op($1).next
    }

    /// FNSTCW.
    static let storeControl: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        return cpu.store(cpu.effectiveAddress(op), cpu.state.x87.control)
            ? op.next : cpu.fault(op)
    }

    /// FLDCW.
    static let loadControl: Handler = {
        waiting($0, $1) { cpu, op in
            guard let value = cpu.load(cpu.effectiveAddress(op), UInt16.self) else {
                return cpu.fault(op)
            }
            cpu.setX87Control(value)
            return op.next
        }
    }

    /// FNSTSW to memory.
    static let storeStatus: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        return cpu.store(cpu.effectiveAddress(op), cpu.x87StatusWord) ? op.next : cpu.fault(op)
    }
    /// FNSTSW AX.
    static let storeStatusToAX: Handler = {
        let cpu = Processor($0)
        cpu.set(Register.rax, cpu.x87StatusWord)
        return Op($1).next
    }

    // MARK: Environments. `extra` bit 0: fields of 32 bits; bit 1: as in protected mode; above, outside
    // 64-bit code, the operand's segment and one

    /// FNSTENV: afterwards all exceptions are masked.
    static let storeEnvironment: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        let form = X87Environment(cpu, op)
        let address = cpu.effectiveAddress(op)
        let done = cpu.accessing(address, alignment: form.alignment) {
            cpu.probeWrite(address, byteCount: form.byteCount) && form.store(cpu, address)
        }
        guard done else { return cpu.fault(op) }
        cpu.setX87Control(cpu.state.x87.control | X87Status.exceptions)
        return op.next
    }

    /// FLDENV.
    static let loadEnvironment: Handler = {
        waiting($0, $1) { cpu, op in
            let form = X87Environment(cpu, op)
            let address = cpu.effectiveAddress(op)
            var words: X87Environment.Words?
            let done = cpu.accessing(address, alignment: form.alignment) {
                words = form.load(cpu, address)
                return words != nil
            }
            guard done, let words else { return cpu.fault(op) }
            let reach = form.reach(cpu, address, byteCount: form.byteCount)
            form.begin(cpu, words, reach)
            guard reach == form.byteCount else { return cpu.fault(op) }
            form.finish(cpu, words)
            return op.next
        }
    }

    /// FNSAVE: environment and ST(0) to ST(7), then as FNINIT.
    static let saveState: Handler = {
        let cpu = Processor($0)
        let op = Op($1)
        let form = X87Environment(cpu, op)
        let address = cpu.effectiveAddress(op)
        let bytes = form.byteCount &+ 80
        let done = cpu.accessing(address, alignment: form.alignment) {
            guard cpu.probeWrite(address, byteCount: bytes), form.store(cpu, address) else {
                return false
            }
            for index in UInt8(0)..<8 {
                let place = address &+ UInt64(form.byteCount) &+ UInt64(index) &* 10
                let value = cpu.stack(index)
                guard form.store(cpu, place, value.significand),
                    form.store(cpu, place &+ 8, value.signAndExponent)
                else { return false }
            }
            return true
        }
        guard done else { return cpu.fault(op) }
        cpu.initializeX87()
        return op.next
    }

    /// FRSTOR.
    static let restoreState: Handler = {
        waiting($0, $1) { cpu, op in
            let form = X87Environment(cpu, op)
            let address = cpu.effectiveAddress(op)
            var words: X87Environment.Words?
            var values = InlineArray<8, Extended>(repeating: .zero)
            let done = cpu.accessing(address, alignment: form.alignment) {
                words = form.load(cpu, address)
                if words == nil { return false }
                for index in UInt64(0)..<8 {
                    let place = address &+ UInt64(form.byteCount) &+ index &* 10
                    guard let low = cpu.load(place, UInt64.self),
                        let high = cpu.load(place &+ 8, UInt16.self)
                    else { return false }
                    values[Int(index)] = Extended(significand: low, signAndExponent: high)
                }
                return true
            }
            guard done, let words else { return cpu.fault(op) }
            let total = form.byteCount &+ 80
            let reach = form.reach(cpu, address, byteCount: total)
            form.begin(cpu, words, reach)
            for index in 0..<8 where reach >= form.byteCount &+ 10 &* (index &+ 1) {
                cpu.state.x87.registers[(Int(cpu.state.x87.top) &+ index) & 7] = values[index]
            }
            guard reach == total else { return cpu.fault(op) }
            form.finish(cpu, words)
            return op.next
        }
    }
}

extension Processor {
    /// The status word with TOP.
    var x87StatusWord: UInt16 { state.x87.status | UInt16(state.x87.top) << 11 }

    /// Loads the control word: exceptions that are no longer masked wait from now on.
    func setX87Control(_ value: UInt16) {
        state.x87.control = value & 0x1f7f | 0x40
        updateX87Summary()
    }

    func initializeX87() {
        let registers = state.x87.registers
        state.x87 = X87State()
        state.x87.registers = registers
    }

    /// Two bits a physical register: 0 a number, 1 zero, 2 anything else, 3 empty.
    var x87TagWord: UInt16 {
        var tags: UInt16 = 0
        for index in 0..<8 {
            var tag: UInt16 = 3
            if state.x87.empty &>> UInt8(index) & 1 == 0 {
                switch state.x87.registers[index].kind {
                case .normal: tag = 0
                case .zero: tag = 1
                default: tag = 2
                }
            }
            tags |= tag &<< UInt16(index &* 2)
        }
        return tags
    }
}

/// One of the four forms of the environment in memory: seven fields of 16 or 32 bits.
/// Intel SDM 1, figures 8-9 to 8-12.
struct X87Environment {
    let wide: Bool
    let protected: Bool
    /// Outside 64-bit code, the segment that each part must lie in.
    private let segment: Int?

    /// The form that `op` stands for; virtual-8086 mode has that of real mode.
    init(_ cpu: Processor, _ op: Op) {
        wide = op.extra & 1 != 0
        protected = op.extra & 2 != 0 && cpu.state.systemFlags & ControlBits.vm == 0
        segment = op.extra < 4 ? nil : Int(op.extra >> 2) - 1
    }

    private var fieldBytes: Int { wide ? 4 : 2 }
    var byteCount: Int { 7 &* fieldBytes }
    /// What is asked of its address, and of that of a whole unit's image, where RFLAGS.AC is set.
    var alignment: UInt64 { wide ? 4 : 2 }

    typealias Words = InlineArray<7, UInt32>

    /// Stores a part of the image.
    func store<T: Word>(_ cpu: Processor, _ address: UInt64, _ value: T) -> Bool {
        mayAccess(cpu, address, T.byteCount, write: true) && cpu.store(address, value)
    }

    /// How many bytes of the image to be loaded lie before the first part that the segment refuses,
    /// whose exception then is pending.
    func reach(_ cpu: Processor, _ address: UInt64, byteCount total: Int) -> Int {
        guard segment != nil else { return total }
        var place = 0
        while place < total {
            let isField = place < byteCount
            let part = isField ? fieldBytes : (place &- byteCount) % 10 == 0 ? 8 : 2
            guard mayAccess(cpu, address &+ UInt64(place), part, write: false) else { break }
            place &+= part
        }
        return place
    }

    /// Whether a part lies in the segment as a whole: the first is not the only one that may wrap.
    private func mayAccess(
        _ cpu: Processor, _ address: UInt64, _ byteCount: Int, write: Bool
    ) -> Bool {
        guard let segment else { return true }
        return cpu.mayAccess(segment, at: address, byteCount: UInt64(byteCount), write: write)
    }

    /// Control, status, tags, and where the last instruction and its operand were.
    private func words(_ cpu: Processor) -> Words {
        let unit = cpu.state.x87
        let upper: UInt32 = 0xffff_0000
        let opcode = UInt32(unit.lastOpcode & 0x7ff)
        let code = UInt32(truncatingIfNeeded: unit.lastInstruction)
        let data = UInt32(truncatingIfNeeded: unit.lastData)
        var words = Words(repeating: 0)
        words[0] = UInt32(unit.control) | upper
        words[1] = UInt32(cpu.x87StatusWord) | upper
        words[2] = UInt32(cpu.x87TagWord) | upper
        switch (wide, protected) {
        case (true, true):
            words[3] = code
            words[4] =
                opcode << 16 | UInt32(truncatingIfNeeded: unit.lastInstruction >> 32) & 0xffff
            words[5] = data
            words[6] = UInt32(truncatingIfNeeded: unit.lastData >> 32) & 0xffff | upper
        case (true, false):
            words[3] = code & 0xffff | upper
            words[4] = (code >> 16) << 12 | opcode
            words[5] = data & 0xffff | upper
            words[6] = (data >> 16) << 12
        case (false, true):
            words[3] = code
            words[4] = UInt32(truncatingIfNeeded: unit.lastInstruction >> 32)
            words[5] = data
            words[6] = UInt32(truncatingIfNeeded: unit.lastData >> 32)
        case (false, false):
            words[3] = code
            words[4] = code >> 4 & 0xf000 | opcode
            words[5] = data
            words[6] = data >> 4 & 0xf000
        }
        return words
    }

    func store(_ cpu: Processor, _ address: UInt64) -> Bool {
        let words = words(cpu)
        for index in 0..<7 {
            let done =
                wide
                ? store(cpu, address &+ UInt64(index) &* 4, words[index])
                : store(
                    cpu, address &+ UInt64(index) &* 2, UInt16(truncatingIfNeeded: words[index]))
            guard done else { return false }
        }
        return true
    }

    func load(_ cpu: Processor, _ address: UInt64) -> Words? {
        var words = Words(repeating: 0)
        for index in 0..<7 {
            if wide {
                guard let value = cpu.load(address &+ UInt64(index) &* 4, UInt32.self) else {
                    return nil
                }
                words[index] = value
            } else {
                guard let value = cpu.load(address &+ UInt64(index) &* 2, UInt16.self) else {
                    return nil
                }
                words[index] = UInt32(value)
            }
        }
        return words
    }

    /// Takes status and tags over, as far as the image was read. AMD's processors take each part as
    /// they come to it, and keep it if a later one is refused.
    func begin(_ cpu: Processor, _ words: Words, _ reach: Int) {
        guard reach >= 2 &* fieldBytes else { return }
        let status = UInt16(truncatingIfNeeded: words[1])
        cpu.state.x87.status = status & ~0x3800
        cpu.state.x87.top = UInt8(truncatingIfNeeded: status >> 11 & 7)
        cpu.updateX87Summary()
        guard reach >= 3 &* fieldBytes else { return }
        var empty: UInt8 = 0
        for index in 0..<8 where words[2] &>> UInt32(index &* 2) & 3 == 3 {
            empty |= 1 &<< UInt8(index)
        }
        cpu.state.x87.empty = empty
    }

    /// Takes over what comes last: the control word, and where the last instruction was.
    func finish(_ cpu: Processor, _ words: Words) {
        applyPointers(cpu, words)
        cpu.setX87Control(UInt16(truncatingIfNeeded: words[0]))
    }

    private func applyPointers(_ cpu: Processor, _ words: Words) {
        let opcode = UInt16(truncatingIfNeeded: wide && protected ? words[4] >> 16 : words[4])
        if wide || !protected { cpu.state.x87.lastOpcode = opcode & 0x7ff }
        switch (wide, protected) {
        case (_, true):
            cpu.state.x87.lastInstruction = UInt64(words[3]) | UInt64(words[4] & 0xffff) << 32
            cpu.state.x87.lastData = UInt64(words[5]) | UInt64(words[6] & 0xffff) << 32
        case (true, false):
            cpu.state.x87.lastInstruction = UInt64(words[3] & 0xffff | words[4] << 4 & 0xffff_0000)
            cpu.state.x87.lastData = UInt64(words[5] & 0xffff | words[6] << 4 & 0xffff_0000)
        case (false, false):
            cpu.state.x87.lastInstruction = UInt64(words[3] | (words[4] & 0xf000) << 4)
            cpu.state.x87.lastData = UInt64(words[5] | (words[6] & 0xf000) << 4)
        }
    }
}

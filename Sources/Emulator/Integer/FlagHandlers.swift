// SPDX-License-Identifier: Apache-2.0

/// CLC, STC, CMC, CLD, STD, and what decodes but may not run.
enum FlagHandlers {
    static let clearCarry: Handler = { p, o in
        let cpu = Processor(p)
        cpu.flags = cpu.flags.settingCarry(false)
        return Op(o).next
    }
    static let setCarry: Handler = { p, o in
        let cpu = Processor(p)
        cpu.flags = cpu.flags.settingCarry(true)
        return Op(o).next
    }
    static let complementCarry: Handler = { p, o in
        let cpu = Processor(p)
        cpu.flags = cpu.flags.settingCarry(!cpu.flags.carry)
        return Op(o).next
    }
    static let clearDirection: Handler = { p, o in
        Processor(p).state.direction = 1
        return Op(o).next
    }
    static let setDirection: Handler = { p, o in
        Processor(p).state.direction = -1
        return Op(o).next
    }
    /// #UD.
    static let invalid: Handler = { p, o in Processor(p).raise(Op(o), .invalidOpcode) }
    /// An instruction of more than 15 bytes.
    static let tooLong: Handler = { p, o in Processor(p).raise(Op(o), .generalProtection) }
}

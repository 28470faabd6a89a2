// SPDX-License-Identifier: Apache-2.0

/// One 8259A interrupt controller. Intel 8259A data sheet.
///
/// A pulse in edge mode stays latched until it is acknowledged, as in every PC of today.
package struct PIC8259: Hashable, Sendable {
    /// What the command words have switched on.
    package struct Modes: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static var levelTriggered: Self { Self(rawValue: 1) }
        package static var automaticEnd: Self { Self(rawValue: 2) }
        package static var rotateOnAutomaticEnd: Self { Self(rawValue: 4) }
        package static var specialFullyNested: Self { Self(rawValue: 8) }
        package static var specialMask: Self { Self(rawValue: 0x10) }
        package static var showsInService: Self { Self(rawValue: 0x20) }
        package static var poll: Self { Self(rawValue: 0x40) }
    }

    /// Where an initialization stands.
    package struct Initialization: Hashable, Sendable {
        /// The command word that the data port expects: 2 to 4; 0 when done.
        package var next: UInt8 = 0
        package var isSingle = false
        package var needsFourth = false
    }

    package var requested: UInt8 = 0
    package var inService: UInt8 = 0
    package var mask: UInt8 = 0xff
    package var lines: UInt8 = 0
    /// The edge/level control register beside the chip: bit n makes input n a level.
    package var levels: UInt8 = 0
    package var vectorBase: UInt8
    /// The input of lowest priority, 0 to 7.
    package var lowest: UInt8 = 7
    package var modes: Modes = []
    package var initialization = Initialization()
    /// The input where another 8259 hangs; follows that chip's output.
    package var cascade: UInt8

    /// As firmware leaves it: everything masked.
    /// - Parameter cascade: Bit of the input that carries another 8259, or 0.
    package init(vectorBase: UInt8, cascade: UInt8) {
        self.vectorBase = vectorBase
        self.cascade = cascade
    }

    /// Drives input `pin`, 0 to 7.
    package mutating func set(pin: UInt8, high: Bool) {
        let bit: UInt8 = 1 << (pin & 7)
        let isLevel = modes.contains(.levelTriggered) || (levels | cascade) & bit != 0
        if high {
            if isLevel || lines & bit == 0 { requested |= bit }
            lines |= bit
        } else {
            lines &= ~bit
            if isLevel { requested &= ~bit }
        }
    }

    /// 0 for the highest priority; 8 if `set` is empty.
    private func rank(_ set: UInt8) -> UInt8 {
        let shift = (lowest &+ 1) & 7
        let turned = set >> shift | set << ((8 &- shift) & 7)
        return UInt8(truncatingIfNeeded: (shift == 0 ? set : turned).trailingZeroBitCount)
    }

    private func input(rank: UInt8) -> UInt8 { (rank &+ lowest &+ 1) & 7 }

    /// The input that interrupts now, or nil.
    package var pending: UInt8? {
        let request = rank(requested & ~mask)
        guard request < 8 else { return nil }
        var blocking = inService
        if modes.contains(.specialMask) { blocking &= ~mask }
        if modes.contains(.specialFullyNested) { blocking &= ~cascade }
        return request < rank(blocking) ? input(rank: request) : nil
    }

    /// The processor's acknowledge cycle. Answers the input; 7 with nothing put into service if
    /// the request has gone.
    package mutating func acknowledge() -> UInt8 {
        guard let pin = pending else { return 7 }
        let bit: UInt8 = 1 << pin
        let isLevel = modes.contains(.levelTriggered) || (levels | cascade) & bit != 0
        if !isLevel || lines & bit == 0 { requested &= ~bit }
        if !modes.contains(.automaticEnd) {
            inService |= bit
        } else if modes.contains(.rotateOnAutomaticEnd) {
            lowest = pin
        }
        return pin
    }

    /// Writes the even port (`isData` false) or the odd one.
    package mutating func write(isData: Bool, _ value: UInt8) {
        if isData {
            writeData(value)
        } else if value & 0x10 != 0 {
            begin(value)
        } else if value & 0x08 != 0 {
            select(value)
        } else {
            end(value)
        }
    }

    /// ICW1.
    private mutating func begin(_ value: UInt8) {
        initialization = Initialization(
            next: 2, isSingle: value & 2 != 0, needsFourth: value & 1 != 0)
        mask = 0
        inService = 0
        lowest = 7
        modes = value & 8 != 0 ? .levelTriggered : []
        let isLevel = modes.contains(.levelTriggered) ? 0xff : levels | cascade
        requested = lines & isLevel
    }

    /// ICW2 to ICW4, or the mask.
    private mutating func writeData(_ value: UInt8) {
        switch initialization.next {
        case 2:
            vectorBase = value & 0xf8
            initialization.next =
                initialization.isSingle ? (initialization.needsFourth ? 4 : 0) : 3
        case 3:
            initialization.next = initialization.needsFourth ? 4 : 0
        case 4:
            if value & 0x02 != 0 { modes.insert(.automaticEnd) }
            if value & 0x10 != 0 { modes.insert(.specialFullyNested) }
            initialization.next = 0
        default:
            mask = value
        }
    }

    /// OCW2: ends of interrupts and rotation.
    private mutating func end(_ value: UInt8) {
        let named = value & 7
        switch value >> 5 {
        case 0: modes.remove(.rotateOnAutomaticEnd)
        case 1: _ = endHighest()
        case 3: inService &= ~(1 << named)
        case 4: modes.insert(.rotateOnAutomaticEnd)
        case 5: if let pin = endHighest() { lowest = pin }
        case 6: lowest = named
        case 7:
            inService &= ~(1 << named)
            lowest = named
        default: break
        }
    }

    private mutating func endHighest() -> UInt8? {
        let candidates = modes.contains(.specialMask) ? inService & ~mask : inService
        let first = rank(candidates)
        guard first < 8 else { return nil }
        let pin = input(rank: first)
        inService &= ~(1 << pin)
        return pin
    }

    /// OCW3: poll, which register to show, special mask.
    private mutating func select(_ value: UInt8) {
        if value & 4 != 0 { modes.insert(.poll) }
        switch value & 3 {
        case 2: modes.remove(.showsInService)
        case 3: modes.insert(.showsInService)
        default: break
        }
        switch value >> 5 & 3 {
        case 2: modes.remove(.specialMask)
        case 3: modes.insert(.specialMask)
        default: break
        }
    }

    /// Reads the even port (`isData` false) or the odd one. After a poll command a read is an
    /// acknowledge cycle.
    package mutating func read(isData: Bool) -> UInt8 {
        if modes.contains(.poll) {
            modes.remove(.poll)
            return pending == nil ? 0 : 0x80 | acknowledge()
        }
        if isData { return mask }
        return modes.contains(.showsInService) ? inService : requested
    }
}

// SPDX-License-Identifier: Apache-2.0

/// The PC's two 8259s, the second on input 2 of the first, with their edge/level registers.
/// Ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1.
package struct PIC: Hashable, Sendable {
    /// Inputs 0 to 7, and the second chip on 2.
    package var primary = PIC8259(vectorBase: 0x08, cascade: 4)
    /// Inputs 8 to 15.
    package var secondary = PIC8259(vectorBase: 0x70, cascade: 0)

    package init() {}

    /// The wire to the processor.
    package var output: Bool { primary.pending != nil }

    /// Drives IRQ `line`, 0 to 15. Input 2 is the second chip's: others do not reach it.
    package mutating func set(line: Int, high: Bool) {
        guard line != 2, line >= 0, line < 16 else { return }
        let pin = UInt8(truncatingIfNeeded: line & 7)
        if line < 8 {
            primary.set(pin: pin, high: high)
        } else {
            secondary.set(pin: pin, high: high)
            join()
        }
    }

    private mutating func join() { primary.set(pin: 2, high: secondary.pending != nil) }

    /// The processor's acknowledge cycle: the vector, which is input 7's if nothing is requested.
    package mutating func acknowledge() -> UInt8 {
        let pin = primary.acknowledge()
        guard pin == 2 else { return primary.vectorBase | pin }
        let vector = secondary.vectorBase | secondary.acknowledge()
        join()
        return vector
    }

    /// True if a rise of `line` would not lead to an interrupt for want of an open mask.
    package func isMasked(line: Int) -> Bool {
        line < 8
            ? primary.mask >> UInt8(truncatingIfNeeded: line & 7) & 1 != 0
            : secondary.mask >> UInt8(truncatingIfNeeded: line & 7) & 1 != 0
    }

    /// Reads one of the six ports; nil for others.
    package mutating func read(port: UInt16) -> UInt8? {
        switch port {
        case 0x20, 0x21:
            return primary.read(isData: port & 1 != 0)
        case 0xa0, 0xa1:
            defer { join() }
            return secondary.read(isData: port & 1 != 0)
        case 0x4d0: return primary.levels
        case 0x4d1: return secondary.levels
        default: return nil
        }
    }

    /// Writes one of the six ports; false for others. IRQ 0, 1, 2, 8 and 13 are always edges.
    package mutating func write(port: UInt16, _ value: UInt8) -> Bool {
        switch port {
        case 0x20, 0x21: primary.write(isData: port & 1 != 0, value)
        case 0xa0, 0xa1: secondary.write(isData: port & 1 != 0, value)
        case 0x4d0: primary.levels = value & 0xf8
        case 0x4d1: secondary.levels = value & 0xde
        default: return false
        }
        join()
        return true
    }
}

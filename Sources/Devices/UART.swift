// SPDX-License-Identifier: Apache-2.0

/// The registers and FIFOs of a 16550A: a plain value that knows no host.
///
/// Sending takes no time, so the transmitter is always empty.
package struct UART: Hashable, Sendable {
    /// Bytes in the receive FIFO at most; 1 while the FIFOs are off.
    static let fifoSize = 16

    private var interruptEnable: UInt8 = 0
    private var lineControl: UInt8 = 0
    private var modemControl: UInt8 = 0
    private var scratch: UInt8 = 0
    private var divisor: UInt16 = 12
    /// Bit 0 on; 6–7 trigger level.
    private var fifoControl: UInt8 = 0
    private var received: [UInt8] = []
    /// The transmitter ran empty and the guest was not told yet.
    private var transmitterInterrupt = false
    private var overrun = false
    /// The interrupt wire as the guest's controller last saw it.
    private var wire = false

    package init() {}

    /// False for values that no run of a port leads to.
    var isPossible: Bool { received.count <= Self.fifoSize }

    private var capacity: Int { fifoControl & 1 != 0 ? Self.fifoSize : 1 }
    private var isLoopback: Bool { modemControl & 0x10 != 0 }
    private var hasDivisorAccess: Bool { lineControl & 0x80 != 0 }

    private var triggerLevel: Int {
        guard fifoControl & 1 != 0 else { return 1 }
        switch fifoControl >> 6 {
        case 0: return 1
        case 1: return 4
        case 2: return 8
        default: return 14
        }
    }

    /// Why it interrupts, as the identification register says it; 1 for not at all.
    private var interruptIdentity: UInt8 {
        if interruptEnable & 4 != 0, overrun { return 0x06 }
        if interruptEnable & 1 != 0, !received.isEmpty {
            // Below the trigger level it is the time-out that speaks, here at once.
            return received.count >= triggerLevel ? 0x04 : 0x0c
        }
        if interruptEnable & 2 != 0, transmitterInterrupt { return 0x02 }
        return 0x01
    }

    /// True if the wire rose since last asked. The PC's interrupt is an edge.
    mutating func takeEdge() -> Bool {
        let now = interruptIdentity != 1
        defer { wire = now }
        return now && !wire
    }

    /// Moves input into the receive FIFO as far as there is room; true if the wire rose.
    mutating func fill(from input: inout [UInt8]) -> Bool {
        let count = isLoopback ? 0 : min(capacity - min(received.count, capacity), input.count)
        if count > 0 {
            received += input.prefix(count)
            input.removeFirst(count)
        }
        return takeEdge()
    }

    // MARK: Registers

    mutating func read(_ register: UInt8) -> UInt8 {
        switch register {
        case 0 where hasDivisorAccess: return UInt8(truncatingIfNeeded: divisor)
        case 0: return received.isEmpty ? 0 : received.removeFirst()
        case 1 where hasDivisorAccess: return UInt8(truncatingIfNeeded: divisor >> 8)
        case 1: return interruptEnable
        case 2:
            let identity = interruptIdentity
            if identity == 0x02 { transmitterInterrupt = false }
            return identity | (fifoControl & 1 != 0 ? 0xc0 : 0)
        case 3: return lineControl
        case 4: return modemControl
        case 5:
            // Transmitter empty, data ready, overrun.
            let status: UInt8 = 0x60 | (received.isEmpty ? 0 : 1) | (overrun ? 2 : 0)
            overrun = false
            return status
        case 6: return modemStatus
        default: return scratch
        }
    }

    /// Carrier, ready and clear to send; in loopback the modem control lines come back crossed.
    private var modemStatus: UInt8 {
        guard isLoopback else { return 0xb0 }
        let control = modemControl
        return (control & 0x02) << 3 | (control & 0x01) << 5 | (control & 0x0c) << 4
    }

    /// True if `value` is a byte that leaves the port.
    mutating func write(_ register: UInt8, _ value: UInt8) -> Bool {
        switch register {
        case 0 where hasDivisorAccess: divisor = divisor & 0xff00 | UInt16(value)
        case 0: return send(value)
        case 1 where hasDivisorAccess: divisor = divisor & 0xff | UInt16(value) << 8
        case 1:
            let rising = value & ~interruptEnable
            interruptEnable = value & 0x0f
            // To enable the interrupt of an empty transmitter is to get it.
            if rising & 2 != 0 { transmitterInterrupt = true }
        case 2: writeFIFOControl(value)
        case 3: lineControl = value
        case 4: modemControl = value & 0x1f
        case 7: scratch = value
        default: break
        }
        return false
    }

    private mutating func send(_ value: UInt8) -> Bool {
        transmitterInterrupt = true
        // A new byte that leaves at once is a new edge.
        if interruptEnable & 2 != 0, interruptIdentity == 0x02 { wire = false }
        guard isLoopback else { return true }
        if received.count < capacity { received.append(value) } else { overrun = true }
        return false
    }

    private mutating func writeFIFOControl(_ value: UInt8) {
        // Turning the FIFOs on or off empties them, as does bit 1.
        if (value ^ fifoControl) & 1 != 0 || value & 2 != 0 { received = [] }
        fifoControl = value & 1 != 0 ? value & 0xc9 : 0
    }
}

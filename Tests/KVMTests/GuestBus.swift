// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory
import Synchronization

/// What the small guests talk to: see `Guest/tests/guest.inc` and the guests themselves.
final class GuestBus: MachineBus {
    struct State {
        var said: [UInt8] = []
        var end: UInt8?
        /// The latch at port 0x500.
        var latch: UInt32 = 0
        var reads: UInt32 = 0
        /// Two pages of registers at 0xd0000000.
        var registers = [UInt8](repeating: 0, count: 8192)
        var doorbells: UInt64 = 0
        /// What ports 0x520 and 0x530 answer.
        var otherProcessors: UInt32 = 0
        var rings: UInt32 = 0
    }

    /// What a guest asks of its host.
    enum Request: Sendable {
        /// Pulse this line.
        case pulse(UInt32)
        /// An answer by line 3 is due.
        case answer
        case move
        case end
    }

    static let registers: UInt64 = 0xd000_0000

    let state = Mutex(State())
    private let counter = Mutex<(left: Int, body: @Sendable () -> Void)?>(nil)
    private let handler = Mutex<(@Sendable (Request) -> Void)?>(nil)

    func onRequest(_ body: (@Sendable (Request) -> Void)?) { handler.withLock { $0 = body } }

    /// Calls `body` once, when `count` more bytes have been written to the console.
    func onByte(_ count: Int, _ body: @escaping @Sendable () -> Void) {
        counter.withLock { $0 = (count, body) }
    }

    private func countByte() {
        let body = counter.withLock { counter -> (@Sendable () -> Void)? in
            guard let (left, body) = counter else { return nil }
            counter = left <= 1 ? nil : (left - 1, body)
            return left <= 1 ? body : nil
        }
        body?()
    }

    private func ask(_ request: Request) { handler.withLock { $0 }?(request) }

    var said: String { state.withLock { String(decoding: $0.said, as: UTF8.self) } }

    func readPort(_ port: UInt16, size: Int) -> UInt32 {
        state.withLock { state in
            switch port {
            case 0x500: return state.latch
            case 0x504:
                state.reads += 1
                return state.reads
            case 0x520: return state.otherProcessors
            case 0x530: return state.rings
            default: return .max
            }
        }
    }

    func writePort(_ port: UInt16, size: Int, value: UInt32) {
        switch port {
        case 0xe9:
            state.withLock { $0.said.append(UInt8(truncatingIfNeeded: value)) }
            countByte()
        case 0xf4:
            state.withLock { $0.end = UInt8(truncatingIfNeeded: value) }
            ask(.end)
        case 0x500:
            let mask: UInt32 = size == 4 ? .max : (1 << UInt32(size * 8)) - 1
            state.withLock { $0.latch = $0.latch & ~mask | value & mask }
        case 0x510: ask(.pulse(value & 0xff))
        case 0x534: ask(.answer)
        case 0x540: ask(.move)
        default: break
        }
    }

    func readMemory(_ address: GuestAddress, size: Int) -> UInt64 {
        let place = address.rawValue &- Self.registers
        guard place < 8192 - 8 else { return .max }
        return state.withLock { state in
            (0..<size).reduce(0) { $0 | UInt64(state.registers[Int(place) + $1]) << UInt64($1 * 8) }
        }
    }

    func writeMemory(_ address: GuestAddress, size: Int, value: UInt64) {
        let place = address.rawValue &- Self.registers
        guard place < 8192 - 8 else { return }
        state.withLock { state in
            if place == 0x50 { state.doorbells += 1 }
            for index in 0..<size {
                state.registers[Int(place) + index] = UInt8(
                    truncatingIfNeeded: value >> UInt64(index * 8))
            }
        }
    }
}

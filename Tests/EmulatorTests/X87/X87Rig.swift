// SPDX-License-Identifier: Apache-2.0
@testable import Emulator

/// A processor in long mode whose x87 unit is set up and looked at; RDI points to an operand.
struct X87Rig {
    static let operand: UInt64 = 0x50000

    let system: SystemRig
    var cpu: Processor { system.cpu }

    init() throws {
        system = try SystemRig(.long)
        reset()
    }

    /// An empty stack, all exceptions masked, and the next instruction at its place.
    func reset() {
        cpu.state.x87 = X87State()
        cpu.state.rip = SystemRig.code
        cpu.set64(Register.rdi, Self.operand)
    }

    /// Pushes `values`, the last of which becomes ST(0).
    func push(_ values: Extended...) {
        for value in values { cpu.pushX87(value, FloatContext(control: 0x37f)) }
    }

    func execute(_ bytes: [UInt8], count: Int = 1) { system.execute(bytes, count: count) }

    /// ST(0) as 20 hexadecimal digits, or - if it is empty.
    var top: String {
        cpu.isEmptyX87(0) ? "-" : cpu.stack(0).digits
    }

    var statusWord: UInt16 { cpu.x87StatusWord }

    /// The ten bytes at the operand, the highest first.
    var memory: String {
        Extended(
            significand: system.word(Self.operand),
            signAndExponent: system.word16(Self.operand + 8)
        ).digits
    }

    func putMemory(_ value: Extended) {
        system.put(Self.operand, value.significand)
        system.put(Self.operand + 8, UInt64(value.signAndExponent))
    }
}

extension Extended {
    /// Sign and exponent, then the significand.
    var digits: String { hex(UInt64(signAndExponent), 4) + hex(significand, 16) }

    init?(_ digits: Substring) {
        guard let high = UInt16(digits.prefix(4), radix: 16),
            let low = UInt64(digits.dropFirst(4), radix: 16)
        else { return nil }
        self.init(significand: low, signAndExponent: high)
    }
}

/// `value` with `digits` hexadecimal digits.
func hex(_ value: UInt64, _ digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}

/// The bytes that hexadecimal digits stand for.
func bytes(_ digits: Substring) -> [UInt8] {
    var rest = digits
    var result: [UInt8] = []
    while let byte = UInt8(rest.prefix(2), radix: 16) {
        result.append(byte)
        rest = rest.dropFirst(2)
    }
    return result
}

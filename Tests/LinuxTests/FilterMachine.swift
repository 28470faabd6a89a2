// SPDX-License-Identifier: Apache-2.0

@testable import Linux

/// What the kernel would do with a filter: classic BPF, as far as filters use it.
struct FilterMachine {
    enum Answer: Equatable {
        case allowed, trapped, killed
        /// A jump behind the end, an unknown instruction, or more steps than instructions.
        case broken
    }

    /// `struct seccomp_data`: number, architecture, instruction pointer, arguments.
    var number: UInt32 = 0
    var architecture: UInt32 = 0xc000_003e
    var arguments: [UInt64] = [0, 0, 0, 0, 0, 0]

    private func word(_ offset: UInt64) -> UInt64? {
        switch offset {
        case 0: return UInt64(number)
        case 4: return UInt64(architecture)
        case 16..<64 where offset % 4 == 0:
            let argument = arguments[Int(offset - 16) / 8]
            return offset % 8 == 0 ? argument & 0xffff_ffff : argument >> 32
        default: return nil
        }
    }

    func run(_ filter: SeccompFilter) -> Answer {
        var at = 0
        var accumulator: UInt64 = 0
        for _ in filter.instructions {
            guard filter.instructions.indices.contains(at) else { return .broken }
            let instruction = filter.instructions[at]
            let operand = instruction >> 32
            let ifTrue = Int(instruction >> 16 & 0xff)
            let ifFalse = Int(instruction >> 24 & 0xff)
            at += 1
            switch instruction & 0xffff {
            case 0x20:
                guard let word = word(operand) else { return .broken }
                accumulator = word
            case 0x54: accumulator &= operand
            case 0x15: at += accumulator == operand ? ifTrue : ifFalse
            case 0x35: at += accumulator >= operand ? ifTrue : ifFalse
            case 0x05: at += Int(operand)
            case 0x06:
                return switch operand {
                case 0x7fff_0000: .allowed
                case 0x0003_0000: .trapped
                case 0x8000_0000: .killed
                default: .broken
                }
            default: return .broken
            }
        }
        return .broken
    }
}

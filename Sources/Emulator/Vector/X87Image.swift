// SPDX-License-Identifier: Apache-2.0

/// The 10 bytes of an x87 register as they lie in memory.
struct X87Image {
    var significand: UInt64
    var signAndExponent: UInt16
}

#if arch(x86_64)
    extension Processor {
        /// Physical register `number`, 0 to 7, bit for bit.
        @inline(__always) func x87Image(_ number: Int) -> X87Image {
            let address = registerAddress(number)
            return X87Image(
                significand: HostAddress(address).load(UInt64.self),
                signAndExponent: HostAddress(address &+ 8).load(UInt16.self))
        }
        @inline(__always) func setX87Image(_ number: Int, _ image: X87Image) {
            let address = registerAddress(number)
            HostAddress(address).store(image.significand)
            HostAddress(address &+ 8).store(image.signAndExponent)
        }

        /// MM `number`: the significand of physical register `number`.
        @inline(__always) func mmx(_ number: UInt8) -> UInt64 {
            HostAddress(registerAddress(Int(number))).load(UInt64.self)
        }
        /// Sets it; sign and exponent become ones.
        @inline(__always) func setMMX(_ number: UInt8, _ value: UInt64) {
            setX87Image(Int(number), X87Image(significand: value, signAndExponent: 0xffff))
        }

        @inline(__always) private func registerAddress(_ number: Int) -> UInt {
            let unit = UInt(MemoryLayout<ProcessorState>.offset(of: \.x87) ?? 0)
            let registers = UInt(MemoryLayout<X87State>.offset(of: \.registers) ?? 0)
            return address &+ unit &+ registers &+ UInt(number & 7) &* 16
        }
    }
#else
    extension Processor {
        /// Physical register `number`, 0 to 7, widened.
        func x87Image(_ number: Int) -> X87Image { X87Image(state.x87.registers[number & 7]) }
        func setX87Image(_ number: Int, _ image: X87Image) {
            state.x87.registers[number & 7] = image.number
        }

        /// MM `number`: the 64 bits of physical register `number`.
        func mmx(_ number: UInt8) -> UInt64 {
            state.x87.registers[Int(number & 7)].bitPattern
        }
        func setMMX(_ number: UInt8, _ value: UInt64) {
            state.x87.registers[Int(number & 7)] = Double(bitPattern: value)
        }
    }

    extension X87Image {
        /// A double widened to 80 bits.
        init(_ value: Double) {
            let bits = value.bitPattern
            let sign = UInt16(truncatingIfNeeded: bits >> 48 & 0x8000)
            let exponent = Int(bits >> 52 & 0x7ff)
            let fraction = bits & 0x000f_ffff_ffff_ffff
            switch exponent {
            case 0x7ff:
                self.init(
                    significand: 0x8000_0000_0000_0000 | fraction << 11,
                    signAndExponent: sign | 0x7fff)
            case 0 where fraction == 0: self.init(significand: 0, signAndExponent: sign)
            case 0:
                let shift = fraction.leadingZeroBitCount
                self.init(
                    significand: fraction &<< UInt64(shift),
                    signAndExponent: sign | UInt16(truncatingIfNeeded: 16383 - 1011 - shift))
            default:
                self.init(
                    significand: 0x8000_0000_0000_0000 | fraction << 11,
                    signAndExponent: sign | UInt16(truncatingIfNeeded: exponent + 15360))
            }
        }

        /// The nearest double below in magnitude.
        var number: Double {
            let sign = UInt64(signAndExponent & 0x8000) << 48
            let exponent = Int(signAndExponent & 0x7fff)
            if exponent == 0x7fff {
                return Double(
                    bitPattern: sign | 0x7ff0_0000_0000_0000
                        | (significand & 0x7fff_ffff_ffff_ffff) >> 11)
            }
            let double = exponent - 15360
            if significand == 0 || double <= -52 { return Double(bitPattern: sign) }
            if double >= 0x7ff { return Double(bitPattern: sign | 0x7ff0_0000_0000_0000) }
            if double <= 0 {
                return Double(bitPattern: sign | significand &>> UInt64(12 - double))
            }
            return Double(
                bitPattern: sign | UInt64(double) << 52
                    | (significand >> 11 & 0x000f_ffff_ffff_ffff))
        }
    }
#endif

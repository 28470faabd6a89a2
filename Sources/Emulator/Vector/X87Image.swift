// SPDX-License-Identifier: Apache-2.0

/// The 10 bytes of an x87 register as they lie in memory.
struct X87Image {
    var significand: UInt64
    var signAndExponent: UInt16
}

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
        let start = unsafe withUnsafeMutablePointer(to: &state.x87.registers) {
            UInt(bitPattern: $0)
        }
        return start &+ UInt(number & 7) &* 16
    }
}

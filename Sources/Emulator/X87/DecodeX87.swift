// SPDX-License-Identifier: Apache-2.0

/// Opcodes D8 to DF, and 9B. Intel SDM 2, B.17 and tables.
extension Decoder {
    mutating func decodeX87(_ opcode: UInt8) throws(DecodeError) {
        let mayFault = mode.has(CodeMode.vectorsFault)
        if opcode == 0x9b {
            emit(X87Handlers.wait)
            return
        }
        try modRM()
        if mayFault { emit(X87Handlers.available) }
        let found = isMemory ? memoryX87(opcode & 7) : registerX87(opcode & 7)
        guard let found else { throw .invalidOpcode }
        // An exception that waits comes before what the operand's step finds.
        if isMemory && !is64 && !isControlX87 { emit(X87Handlers.nothing) }
        finishOperand()
        emit(found.handler, rm: UInt8(truncatingIfNeeded: rm & 7), extra: found.extra)
    }

    /// FNSTENV, FNSTCW, FNSAVE, FNSTSW, in memory: they do not wait.
    private var isControlX87: Bool { (opcode == 0xd9 || opcode == 0xdd) && group >= 6 }

    /// A handler, and what it finds in `extra`.
    private struct Found {
        let handler: Handler
        let extra: UInt16

        init(_ handler: @escaping Handler, _ extra: Int = 0) {
            self.handler = handler
            self.extra = UInt16(truncatingIfNeeded: extra)
        }
    }

    // MARK: Memory

    private func memoryX87(_ low: UInt8) -> Found? {
        switch low {
        case 0: memoryArithmetic(X87Handlers.arithmeticSingle, X87Handlers.compareSingle)
        case 1: memoryD9()
        case 2: memoryArithmetic(X87Handlers.arithmeticInt32, X87Handlers.compareInt32)
        case 3: memoryDB()
        case 4: memoryArithmetic(X87Handlers.arithmeticDouble, X87Handlers.compareDouble)
        case 5: memoryDD()
        case 6: memoryArithmetic(X87Handlers.arithmeticInt16, X87Handlers.compareInt16)
        default: memoryDF()
        }
    }

    private func memoryArithmetic(
        _ arithmetic: @escaping Handler, _ compare: @escaping Handler
    ) -> Found {
        group & 6 == 2 ? Found(compare, group & 1) : Found(arithmetic, group)
    }

    private var environmentForm: Int {
        // REX.W is stronger than a 66 prefix.
        let wide = rexW || (is64 || mode.has(CodeMode.default32)) != operandOverride
        let form = (wide ? 1 : 0) | (mode.has(CodeMode.protected) ? 2 : 0)
        return is64 ? form : form | (1 + operandSegment) << 2
    }

    private func memoryD9() -> Found? {
        switch group {
        case 0: Found(X87Handlers.loadSingle)
        case 2, 3: Found(X87Handlers.storeSingle, group & 1)
        case 4: Found(X87Handlers.loadEnvironment, environmentForm)
        case 5: Found(X87Handlers.loadControl)
        case 6: Found(X87Handlers.storeEnvironment, environmentForm)
        case 7: Found(X87Handlers.storeControl)
        default: nil
        }
    }

    private func memoryDB() -> Found? {
        switch group {
        case 0: Found(X87Handlers.loadInt32)
        case 1: Found(X87Handlers.truncateInt32, 1)
        case 2, 3: Found(X87Handlers.storeInt32, group & 1)
        case 5: Found(X87Handlers.loadExtended)
        case 7: Found(X87Handlers.storeExtended, 1)
        default: nil
        }
    }

    private func memoryDD() -> Found? {
        switch group {
        case 0: Found(X87Handlers.loadDouble)
        case 1: Found(X87Handlers.truncateInt64, 1)
        case 2, 3: Found(X87Handlers.storeDouble, group & 1)
        case 4: Found(X87Handlers.restoreState, environmentForm)
        case 6: Found(X87Handlers.saveState, environmentForm)
        case 7: Found(X87Handlers.storeStatus)
        default: nil
        }
    }

    private func memoryDF() -> Found {
        switch group {
        case 0: Found(X87Handlers.loadInt16)
        case 1: Found(X87Handlers.truncateInt16, 1)
        case 2, 3: Found(X87Handlers.storeInt16, group & 1)
        case 4: Found(X87Handlers.loadDecimal)
        case 5: Found(X87Handlers.loadInt64)
        case 6: Found(X87Handlers.storeDecimal, 1)
        default: Found(X87Handlers.storeInt64, 1)
        }
    }

    // MARK: Registers

    private func registerX87(_ low: UInt8) -> Found? {
        switch low {
        case 0:
            group & 6 == 2
                ? Found(X87Handlers.compareRegister, group & 1)
                : Found(X87Handlers.arithmeticToTop, group)
        case 1: registerD9()
        case 2: registerDA()
        case 3: registerDB()
        case 4:
            group & 6 == 2
                ? Found(X87Handlers.compareRegister, group & 1)
                : Found(X87Handlers.arithmeticToRegister, group)
        case 5: registerDD()
        case 6: registerDE()
        default: registerDF()
        }
    }

    private func registerD9() -> Found? {
        let low = rm & 7
        switch group {
        case 0: return Found(X87Handlers.loadRegister)
        case 1: return Found(X87Handlers.exchange)
        case 2: return low == 0 ? Found(X87Handlers.nothing) : nil
        case 3: return Found(X87Handlers.storeUnchecked)
        case 4:
            switch low {
            case 0: return Found(X87Handlers.changeSign)
            case 1: return Found(X87Handlers.absolute)
            case 4: return Found(X87Handlers.test)
            case 5: return Found(X87Handlers.examine)
            default: return nil
            }
        case 5: return low == 7 ? nil : Found(X87Handlers.loadConstant, low)
        case 6: return functionF0(low)
        default: return functionF8(low)
        }
    }

    private func functionF0(_ low: Int) -> Found {
        switch low {
        case 0: Found(X87Handlers.exponential)
        case 1: Found(X87Handlers.logarithm)
        case 2: Found(X87Handlers.tangent)
        case 3: Found(X87Handlers.arcTangent)
        case 4: Found(X87Handlers.extract)
        case 5: Found(X87Handlers.nearestRemainder)
        case 6: Found(X87Handlers.moveTop, 7)
        default: Found(X87Handlers.moveTop, 1)
        }
    }

    private func functionF8(_ low: Int) -> Found {
        switch low {
        case 0: Found(X87Handlers.remainder)
        case 1: Found(X87Handlers.logarithmPlusOne)
        case 2: Found(X87Handlers.squareRoot)
        case 3: Found(X87Handlers.sineAndCosine)
        case 4: Found(X87Handlers.roundToInteger)
        case 5: Found(X87Handlers.scale)
        case 6: Found(X87Handlers.sine)
        default: Found(X87Handlers.cosine)
        }
    }

    /// Condition codes of FCMOV: below, equal, below or equal, unordered (parity).
    private var moveCondition: Int { group == 3 ? 10 : (group + 1) * 2 }

    private func registerDA() -> Found? {
        switch group {
        case 0...3: Found(X87Handlers.conditionalMove, moveCondition)
        case 5: rm & 7 == 1 ? Found(X87Handlers.compareQuietly, 2) : nil
        default: nil
        }
    }

    private func registerDB() -> Found? {
        switch group {
        case 0...3: return Found(X87Handlers.conditionalMove, moveCondition | 1)
        case 4:
            switch rm & 7 {
            // FENI, FDISI, FSETPM of the first coprocessors.
            case 0, 1, 4: return Found(X87Handlers.ignored)
            case 2: return Found(X87Handlers.clearExceptions)
            case 3: return Found(X87Handlers.initialize)
            default: return nil
            }
        case 5: return Found(X87Handlers.compareQuietlyToFlags)
        case 6: return Found(X87Handlers.compareToFlags)
        default: return nil
        }
    }

    private func registerDD() -> Found? {
        switch group {
        case 0: Found(X87Handlers.free)
        case 1: Found(X87Handlers.exchange)
        case 2, 3: Found(X87Handlers.storeRegister, group & 1)
        case 4, 5: Found(X87Handlers.compareQuietly, group & 1)
        default: nil
        }
    }

    private func registerDE() -> Found? {
        switch group {
        case 2: Found(X87Handlers.compareRegister, 1)
        case 3: rm & 7 == 1 ? Found(X87Handlers.compareRegister, 2) : nil
        default: Found(X87Handlers.arithmeticAndPop, group)
        }
    }

    private func registerDF() -> Found? {
        switch group {
        case 0: Found(X87Handlers.free, 1)
        case 1: Found(X87Handlers.exchange)
        case 2, 3: Found(X87Handlers.storeRegister, 1)
        case 4: rm & 7 == 0 ? Found(X87Handlers.storeStatusToAX) : nil
        case 5: Found(X87Handlers.compareQuietlyToFlags, 1)
        case 6: Found(X87Handlers.compareToFlags, 1)
        default: nil
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
extension Decoder {
    mutating func decodeX87(_ opcode: UInt8) throws(DecodeError) {
        if opcode == 0x9b { return emit(MoveHandlers.nothing) }
        try modRM()
        finishOperand()
        emit(MoveHandlers.nothing)
    }
}

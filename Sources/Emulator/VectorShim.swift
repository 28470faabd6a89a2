// SPDX-License-Identifier: Apache-2.0
extension Decoder {
    mutating func decodeVector(_ opcode: UInt8, map: OpcodeMap) throws(DecodeError) -> Bool { false }
    mutating func decodeX87(_ opcode: UInt8) throws(DecodeError) { throw .invalidOpcode }
}
extension Decoder {
    mutating func decodeSystem(_ opcode: UInt8) throws(DecodeError) -> Bool { false }
    mutating func decodeSystem0F(_ opcode: UInt8) throws(DecodeError) -> Bool { false }
    mutating func decodeFarIndirect(call: Bool) throws(DecodeError) { throw .invalidOpcode }
}
extension Processor { func enterThread() {} }

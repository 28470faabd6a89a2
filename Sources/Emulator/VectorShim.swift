// SPDX-License-Identifier: Apache-2.0
extension Decoder {
    mutating func decodeVector(_ opcode: UInt8, map: OpcodeMap) throws(DecodeError) -> Bool { false }
}
extension Processor { func enterThread() {} }

// SPDX-License-Identifier: Apache-2.0

@testable import Emulator

/// The software processor's decoder, asked how long instructions are.
@safe final class JudgeDecoder {
    private let operations: UnsafeMutableRawPointer
    private let bytes: UnsafeMutableRawPointer

    init() {
        unsafe operations = .allocate(byteCount: 64 * 32, alignment: 64)
        unsafe bytes = .allocate(byteCount: 64, alignment: 64)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
    }

    deinit {
        unsafe operations.deallocate()
        unsafe bytes.deallocate()
    }

    /// 64-bit and 32-bit user code with flat segments.
    static func mode(is32: Bool) -> CodeMode { CodeMode(rawValue: is32 ? 0x7e : 0x6d) }

    /// How many of `code`'s bytes, at least 15, are its first instruction; nil: none is there.
    func length(_ code: ArraySlice<UInt8>, is32: Bool) -> Int? {
        var place = 0
        for byte in code.prefix(15) {
            unsafe bytes.storeBytes(of: byte, toByteOffset: place, as: UInt8.self)
            place += 1
        }
        var buffer = unsafe BlockBuffer(
            start: UInt(bitPattern: operations), capacity: 60)
        buffer.begin(offset: 0)
        var decoder = unsafe Decoder(
            bytes: UInt(bitPattern: bytes), available: 15, mode: Self.mode(is32: is32),
            output: buffer)
        do throws(DecodeError) {
            try decoder.decodeInstruction()
            return decoder.position
        } catch {
            return nil
        }
    }

    // MARK: Forms

    /// All forms that the decoder knows, and those that it refuses, less what cannot be judged.
    func forms(is32: Bool) -> (known: [JudgeForm], refused: [JudgeForm]) {
        var known: [JudgeForm] = []
        var refused: [JudgeForm] = []
        for map in UInt8(0)..<4 {
            for opcode in UInt8.min...UInt8.max where !isEscape(map, opcode, is32: is32) {
                for form in candidates(map, opcode, is32: is32) {
                    if isKnown(form) {
                        if JudgeOpcodes.exclusion(form) == nil { known.append(form) }
                    } else if !JudgeOpcodes.isForeign(form) {
                        refused.append(form)
                    }
                }
            }
        }
        return (known, refused)
    }

    private func isEscape(_ map: UInt8, _ opcode: UInt8, is32: Bool) -> Bool {
        switch (map, opcode) {
        case (0, 0x0f), (0, 0x26), (0, 0x2e), (0, 0x36), (0, 0x3e), (0, 0x64...0x67), (0, 0xf0),
            (0, 0xf2), (0, 0xf3), (1, 0x38), (1, 0x3a):
            true
        case (0, 0x40...0x4f): !is32
        default: false
        }
    }

    /// The forms that an opcode may have.
    private func candidates(_ map: UInt8, _ opcode: UInt8, is32: Bool) -> [JudgeForm] {
        var result: [JudgeForm] = []
        let isX87 = map == 0 && 0xd8...0xdf ~= opcode
        let prefixes: [UInt8] = JudgeOpcodes.isSelected(map, opcode) ? [0, 0x66, 0xf3, 0xf2] : [0]
        let groups: [UInt8?] = JudgeOpcodes.isGroup(map, opcode) ? Array(0..<8) : [nil]
        for prefix in prefixes {
            guard JudgeOpcodes.hasModRM(map, opcode, is32: is32) else {
                result.append(JudgeForm(map: map, opcode: opcode, prefix: prefix, is32: is32))
                continue
            }
            for group in groups {
                for isMemory in [true, false] {
                    let lows: [UInt8?] = isX87 && !isMemory ? Array(0..<8) : [nil]
                    for low in lows {
                        result.append(
                            JudgeForm(
                                map: map, opcode: opcode, prefix: prefix, group: group, low: low,
                                isMemory: isMemory, is32: is32))
                    }
                }
            }
        }
        return result
    }

    func isKnown(_ form: JudgeForm) -> Bool {
        var code: [UInt8] = []
        if form.prefix != 0 { code.append(form.prefix) }
        code += form.opcodeBytes
        if let isMemory = form.isMemory {
            code.append((isMemory ? 0 : 0xc0) | (form.group ?? 0) << 3 | (form.low ?? 0))
        }
        while code.count < 16 { code.append(0) }
        return length(code[...], is32: form.is32) != nil
    }
}

extension JudgeForm {
    /// The escape bytes of its map, and its opcode.
    var opcodeBytes: [UInt8] {
        switch map {
        case 0: [opcode]
        case 1: [0x0f, opcode]
        case 2: [0x0f, 0x38, opcode]
        default: [0x0f, 0x3a, opcode]
        }
    }
}

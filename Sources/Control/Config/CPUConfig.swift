// SPDX-License-Identifier: Apache-2.0

/// Bits to set, to clear and to leave: Firecracker's bitmap texts, such as `0bxxxx01`.
package struct BitPattern: Hashable, Sendable {
    /// Bits that the pattern decides.
    package var mask: UInt64
    /// Their values.
    package var value: UInt64

    /// Reads `0b` and at most `width` of `0`, `1`, `x` and `_`.
    package init?(_ text: String, width: Int) {
        guard text.hasPrefix("0b") else { return nil }
        mask = 0
        value = 0
        var count = 0
        for byte in text.utf8.dropFirst(2) where byte != UInt8(ascii: "_") {
            count += 1
            guard count <= width else { return nil }
            mask <<= 1
            value <<= 1
            switch byte {
            case UInt8(ascii: "0"): mask |= 1
            case UInt8(ascii: "1"):
                mask |= 1
                value |= 1
            case UInt8(ascii: "x"): break
            default: return nil
            }
        }
        guard count > 0 else { return nil }
    }

    /// The pattern as text of `width` digits.
    func text(width: Int) -> String {
        var text = "0b"
        for bit in stride(from: width - 1, through: 0, by: -1) {
            let isDecided = mask >> UInt64(bit) & 1 != 0
            text += isDecided ? (value >> UInt64(bit) & 1 != 0 ? "1" : "0") : "x"
        }
        return text
    }
}

/// Processor features that the guest sees changed: Firecracker's `cpu-config`.
package struct CPUConfig: APIObject {
    package static var fields: [String] {
        [
            "kvm_capabilities", "cpuid_modifiers", "msr_modifiers", "reg_modifiers",
            "vcpu_features",
        ]
    }

    /// Most entries of each list.
    package static var listLimit: Int { 1024 }

    /// Capabilities to check, or not to (`isRemoved`), by KVM's numbers.
    package var capabilities: [KVMCapability] = []
    package var leaves: [CPUIDLeafModifier] = []
    package var registers: [MSRModifier] = []

    package init() {}

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        capabilities = try fields.list("kvm_capabilities") { json throws(JSONError) in
            try KVMCapability(json: json)
        }
        leaves = try fields.list("cpuid_modifiers") { json throws(JSONError) in
            try CPUIDLeafModifier(json: json)
        }
        registers = try fields.list("msr_modifiers") { json throws(JSONError) in
            try MSRModifier(json: json)
        }
        for name in ["reg_modifiers", "vcpu_features"] {
            _ = try fields.optional(name) { json throws(JSONError) in
                if json.value != .array([]) { throw json.invalid("only for aarch64") }
            }
        }
    }

    package var json: JSON {
        .object([
            ("kvm_capabilities", .array(capabilities.map(\.json))),
            ("cpuid_modifiers", .array(leaves.map(\.json))),
            ("msr_modifiers", .array(registers.map(\.json))),
        ])
    }

    /// Whether it changes nothing.
    package var isEmpty: Bool { capabilities.isEmpty && leaves.isEmpty && registers.isEmpty }
}

/// A capability of KVM by its number; `!` in front of it means that it need not be there.
package struct KVMCapability: Hashable, Sendable {
    package var number: UInt32
    package var isRemoved: Bool

    package init(json: JSON) throws(JSONError) {
        let text = try json.asString()
        isRemoved = text.hasPrefix("!")
        guard let number = UInt32(isRemoved ? text.dropFirst() : text[...]) else {
            throw json.invalid("a capability is a number, such as \"121\" or \"!121\"")
        }
        self.number = number
    }

    var json: JSON { .string((isRemoved ? "!" : "") + "\(number)") }
}

/// Changes to what CPUID answers for one leaf.
package struct CPUIDLeafModifier: APIObject {
    package enum Register: String, CaseIterable, JSONReadable, Sendable {
        case eax, ebx, ecx, edx
    }

    /// A change to one register.
    package struct Modifier: APIObject {
        package static var fields: [String] { ["register", "bitmap"] }

        package var register: Register
        package var bits: BitPattern

        package init(json: JSON) throws(JSONError) {
            let fields = try JSONFields(json, Self.fields)
            register = try fields.require("register")
            bits = try fields.require("bitmap") { json throws(JSONError) in
                try json.asBitPattern(width: 32)
            }
        }

        var json: JSON {
            .object([
                ("register", .string(register.rawValue)),
                ("bitmap", .string(bits.text(width: 32))),
            ])
        }
    }

    package static var fields: [String] { ["leaf", "subleaf", "flags", "modifiers"] }

    package var leaf: UInt32
    package var subleaf: UInt32
    /// As KVM has them: bit 0, the subleaf counts.
    package var flags: UInt32
    package var modifiers: [Modifier]

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        leaf = try fields.require("leaf", as: JSON.asNumberText)
        subleaf = try fields.require("subleaf", as: JSON.asNumberText)
        flags = try fields.require("flags")
        modifiers = try fields.require("modifiers") { json throws(JSONError) in
            try json.asArray(limit: CPUConfig.listLimit) { json throws(JSONError) in
                try Modifier(json: json)
            }
        }
    }

    var json: JSON {
        .object([
            ("leaf", .hexadecimal(leaf)), ("subleaf", .hexadecimal(subleaf)),
            ("flags", .integer(flags)), ("modifiers", .array(modifiers.map(\.json))),
        ])
    }
}

/// A change to the first value of a model-specific register.
package struct MSRModifier: APIObject {
    package static var fields: [String] { ["addr", "bitmap"] }

    package var address: UInt32
    package var bits: BitPattern

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        address = try fields.require("addr", as: JSON.asNumberText)
        bits = try fields.require("bitmap") { json throws(JSONError) in
            try json.asBitPattern(width: 64)
        }
    }

    var json: JSON {
        .object([("addr", .hexadecimal(address)), ("bitmap", .string(bits.text(width: 64)))])
    }
}

extension JSONFields {
    fileprivate func list<Element>(
        _ name: String, _ read: (JSON) throws(JSONError) -> Element
    ) throws(JSONError) -> [Element] {
        try optional(name) { json throws(JSONError) in
            try json.asArray(limit: CPUConfig.listLimit, read)
        } ?? []
    }
}

extension JSON {
    fileprivate static func hexadecimal(_ value: UInt32) -> JSON {
        .string("0x" + String(value, radix: 16))
    }

    fileprivate func asBitPattern(width: Int) throws(JSONError) -> BitPattern {
        guard let pattern = BitPattern(try asString(), width: width) else {
            throw invalid("a bitmap is \"0b\" and at most \(width) of `0`, `1` and `x`")
        }
        return pattern
    }

    /// A number as text: `0x` hexadecimal, `0b` binary, or decimal.
    fileprivate func asNumberText() throws(JSONError) -> UInt32 {
        let text = try asString()
        let number =
            if text.hasPrefix("0x") {
                UInt32(text.dropFirst(2), radix: 16)
            } else if text.hasPrefix("0b") {
                UInt32(text.dropFirst(2), radix: 2)
            } else {
                UInt32(text)
            }
        guard let number else {
            throw invalid("a number of 32 bits as text, such as \"0x1a\", \"0b1010\" or \"26\"")
        }
        return number
    }
}

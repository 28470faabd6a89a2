// SPDX-License-Identifier: Apache-2.0

/// Names of detached machines.
package enum MachineName {
    private static var lengthLimit: Int { 63 }

    /// A letter or digit, and up to 62 of those, `_`, `.` and `-`.
    package static func isValid(_ name: String) -> Bool {
        guard let first = name.utf8.first, isAlphanumeric(first) else { return false }
        return name.utf8.count <= lengthLimit
            && name.utf8.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }

    /// A name that nobody has, easy to say and to type.
    static func make(besides taken: Set<String>) -> String {
        for _ in 0..<100 {
            let name = (moods.randomElement() ?? "") + "-" + (birds.randomElement() ?? "")
            if !taken.contains(name) { return name }
        }
        return MachineIdentifier.make()
    }

    private static var moods: [String] {
        [
            "bold", "brave", "bright", "calm", "clever", "eager", "fair", "fond", "gentle", "glad",
            "keen", "kind", "light", "lively", "merry", "neat", "nimble", "proud", "quick", "quiet",
            "sharp", "sunny", "swift", "wise",
        ]
    }

    private static var birds: [String] {
        [
            "avocet", "bunting", "curlew", "dipper", "dunlin", "egret", "finch", "gannet", "heron",
            "ibis", "jay", "kestrel", "lark", "linnet", "martin", "osprey", "petrel", "plover",
            "robin", "siskin", "swallow", "tern", "thrush", "wren",
        ]
    }
}

/// Identifiers of detached machines: 12 hexadecimal digits at random.
enum MachineIdentifier {
    static var length: Int { 12 }

    static func make() -> String {
        let digits = String(UInt64.random(in: 0..<1 << 48), radix: 16)
        return String(repeating: "0", count: length - digits.count) + digits
    }

    static func isValid(_ text: String) -> Bool {
        text.utf8.count == length
            && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// The answer to CPUID for one leaf, or one leaf and index.
package struct CPUIDEntry: Hashable, Sendable, BitwiseCopyable {
    package var leaf: UInt32
    package var index: UInt32
    /// The answer depends on ECX, and this one is for ECX = ``index``.
    package var isIndexed: Bool
    package var eax: UInt32 = 0
    package var ebx: UInt32 = 0
    package var ecx: UInt32 = 0
    package var edx: UInt32 = 0

    package init(leaf: UInt32, index: UInt32 = 0, isIndexed: Bool = false) {
        self.leaf = leaf
        self.index = index
        self.isIndexed = isIndexed
    }
}

/// The registers that CPUID writes.
package enum CPUIDRegister: Hashable, Sendable { case eax, ebx, ecx, edx }

extension CPUIDEntry {
    package subscript(register: CPUIDRegister) -> UInt32 {
        get {
            switch register {
            case .eax: eax
            case .ebx: ebx
            case .ecx: ecx
            case .edx: edx
            }
        }
        set {
            switch register {
            case .eax: eax = newValue
            case .ebx: ebx = newValue
            case .ecx: ecx = newValue
            case .edx: edx = newValue
            }
        }
    }
}

/// All that CPUID answers on one processor. Intel SDM 2, CPUID.
package struct CPUIDTable: Hashable, Sendable {
    package var entries: [CPUIDEntry]

    package init(_ entries: [CPUIDEntry] = []) { self.entries = entries }

    /// The answer for a leaf, and for ECX where that counts; nil: there is none.
    package subscript(leaf: UInt32, index: UInt32 = 0) -> CPUIDEntry? {
        entries.first { $0.leaf == leaf && (!$0.isIndexed || $0.index == index) }
    }

    /// Changes the answer for `leaf` and `index`, if there is one.
    package mutating func change(
        _ leaf: UInt32, _ index: UInt32 = 0, _ body: (inout CPUIDEntry) -> Void
    ) {
        for place in entries.indices
        where entries[place].leaf == leaf
            && (!entries[place].isIndexed || entries[place].index == index)
        {
            body(&entries[place])
        }
    }

    /// Puts `entry` in place of what answers its leaf and index, or adds it.
    package mutating func set(_ entry: CPUIDEntry) {
        if let place = entries.firstIndex(where: {
            $0.leaf == entry.leaf && (!$0.isIndexed || $0.index == entry.index)
        }) {
            entries[place] = entry
        } else {
            entries.append(entry)
        }
    }

    package mutating func remove(_ leaf: UInt32) { entries.removeAll { $0.leaf == leaf } }

    /// The first leaf of which the two tables say different things, in whatever order; nil: none.
    package func difference(from other: CPUIDTable) -> UInt32? {
        guard self != other else { return nil }
        let mine = entries.first { !other.entries.contains($0) }
        return (mine ?? other.entries.first { !entries.contains($0) })?.leaf
    }

    /// The twelve letters of leaf 0.
    package var vendor: String {
        guard let first = self[0] else { return "" }
        let bytes = [first.ebx, first.edx, first.ecx].flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32($0 * 8)) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

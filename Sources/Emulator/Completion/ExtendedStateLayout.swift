// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Where the state components of XSAVE lie. Intel SDM 1, 13.1 to 13.5; CPUID leaf 0xd.
struct ExtendedStateLayout: Hashable, Sendable {
    struct Component: Hashable, Sendable {
        /// In the standard form, from the area's start; 0 for supervisor components.
        var offset: Int
        var byteCount: Int
        /// In the compacted form it begins at a multiple of 64.
        var isAligned: Bool
        var isSupervisor: Bool
    }

    /// Components by number, from 2 to 62; nil: there is no such component.
    private(set) var components: [Component?]
    /// Components that XCR0 may name.
    let userMask: UInt64

    /// Most bytes of an area that is believed.
    static var limit: Int { 16 << 10 }
    /// The legacy area and the header.
    static var headerEnd: Int { 576 }

    /// Only x87 and SSE.
    static var legacy: ExtendedStateLayout {
        ExtendedStateLayout(userMask: 3, components: [])
    }

    /// That of the processor this runs on.
    static var host: ExtendedStateLayout {
        guard clinux_cpuid(0, 0).eax >= 0xd, clinux_cpuid(1, 0).ecx >> 26 & 1 != 0 else {
            return legacy
        }
        let first = clinux_cpuid(0xd, 0)
        let second = clinux_cpuid(0xd, 1)
        let user = UInt64(first.edx) << 32 | UInt64(first.eax)
        let all = user | UInt64(second.edx) << 32 | UInt64(second.ecx)
        var components = [Component?](repeating: nil, count: 63)
        for number in 2..<63 where all >> UInt64(number) & 1 != 0 {
            let leaf = clinux_cpuid(0xd, UInt32(number))
            let component = Component(
                offset: Int(leaf.ebx), byteCount: Int(leaf.eax), isAligned: leaf.ecx & 2 != 0,
                isSupervisor: leaf.ecx & 1 != 0)
            guard component.byteCount <= limit, component.offset + component.byteCount <= limit
            else { continue }
            components[number] = component
        }
        return ExtendedStateLayout(userMask: user, components: components)
    }

    /// - Parameter components: By number, from 0 on.
    init(userMask: UInt64, components: [Component?]) {
        self.userMask = userMask
        self.components = components
    }

    subscript(number: Int) -> Component? {
        components.indices.contains(number) ? components[number] : nil
    }

    /// The components of `mask` from 2 on that there are.
    func numbers(in mask: UInt64) -> [Int] {
        components.indices.filter { mask >> UInt64($0) & 1 != 0 && components[$0] != nil }
    }

    /// Where the components of `mask` lie in the compacted form, and where that form ends.
    func compacted(_ mask: UInt64) -> (offsets: [Int: Int], end: Int) {
        var offsets: [Int: Int] = [:]
        var end = Self.headerEnd
        for number in numbers(in: mask) {
            guard let component = self[number] else { continue }
            if component.isAligned { end = (end + 63) & ~63 }
            offsets[number] = end
            end += component.byteCount
        }
        return (offsets, end)
    }

    /// Where they lie in the standard form.
    func standard(_ mask: UInt64) -> (offsets: [Int: Int], end: Int) {
        var offsets: [Int: Int] = [:]
        var end = Self.headerEnd
        for number in numbers(in: mask) {
            guard let component = self[number], !component.isSupervisor else { continue }
            offsets[number] = component.offset
            end = max(end, component.offset + component.byteCount)
        }
        return (offsets, end)
    }
}

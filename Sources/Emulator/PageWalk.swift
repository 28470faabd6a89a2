// SPDX-License-Identifier: Apache-2.0
import CLinux
import Memory

/// What an access wants of a page.
struct PageAccess: BitwiseCopyable {
    var write = false
    var execute = false
    /// Made at CPL 3, as opposed to by the supervisor.
    var user = false
    /// A supervisor access that may not touch user pages (CR4.SMAP with RFLAGS.AC clear).
    var smap = false
}

/// The answer of the page tables.
struct Translation: BitwiseCopyable {
    /// Guest-physical address of the 4 KiB page.
    var page: UInt64 = 0
    /// Another write needs no walk: allowed, and the dirty bit is set.
    var writable = false
    var global = false
    /// Part of a page of 2 MiB, 4 MiB or 1 GiB.
    var large = false
    /// Page-fault error code; nil: the access is allowed.
    var fault: UInt32?
}

/// The page tables of the present CR3. Intel SDM 3, 4.3 (32-bit), 4.4 (PAE), 4.5 (4-level).
extension Processor {
    private static var present: UInt64 { 1 }
    private static var writable: UInt64 { 2 }
    private static var user: UInt64 { 4 }
    private static var accessed: UInt64 { 0x20 }
    private static var dirty: UInt64 { 0x40 }
    private static var large: UInt64 { 0x80 }
    private static var global: UInt64 { 0x100 }
    private static var noExecute: UInt64 { 1 << 63 }
    /// Physical address bits above ``physicalBits`` are reserved.
    static var physicalBits: UInt64 { 40 }
    private static var addressMask: UInt64 { (1 << physicalBits) &- 0x1000 }

    /// Walks the tables for `linear`, sets accessed and dirty bits, and judges the access.
    @inline(never) func walk(_ linear: UInt64, _ access: PageAccess) -> Translation {
        guard state.cr0 & 1 << 31 != 0 else {
            return Translation(page: linear & 0xffff_f000, writable: true, fault: nil)
        }
        while true {
            if let translation = walkOnce(linear, access) { return translation }
        }
    }

    /// Nil: another processor has changed an entry between reading it and setting its bits.
    private func walkOnce(_ linear: UInt64, _ access: PageAccess) -> Translation? {
        if state.msrs.efer & 1 << 10 != 0 {
            return walkWide(linear, access, level: 4, table: state.cr3 & Self.addressMask)
        }
        if state.cr4 & 1 << 5 != 0 {
            return walkPAE(linear & 0xffff_ffff, access)
        }
        return walkNarrow(linear & 0xffff_ffff, access)
    }

    private func walkPAE(_ linear: UInt64, _ access: PageAccess) -> Translation? {
        let pointer = (state.cr3 & 0xffff_ffe0) &+ (linear >> 30) &* 8
        guard let entry = loadEntry(pointer), entry & Self.present != 0 else {
            return faulting(access, present: false)
        }
        return walkWide(linear, access, level: 2, table: entry & Self.addressMask)
    }

    /// Levels of 512 entries of 8 bytes.
    private func walkWide(
        _ linear: UInt64, _ access: PageAccess, level top: Int, table: UInt64
    ) -> Translation? {
        var table = table
        var rights = Self.writable | Self.user
        var forbidden: UInt64 = 0
        var reserved = ~(Self.addressMask | 0xfff) & ~(0x7ff << 52) & ~Self.noExecute
        if state.msrs.efer & 1 << 11 == 0 { reserved |= Self.noExecute }
        var level = top
        while true {
            let shift = UInt64(12 &+ 9 &* (level &- 1))
            let place = table &+ (linear &>> shift & 511) &* 8
            guard let entry = loadEntry(place), entry & Self.present != 0 else {
                return faulting(access, present: false)
            }
            let isLeaf = level == 1 || entry & Self.large != 0
            var bad = reserved
            if isLeaf && level == 4 { bad |= Self.large }
            if isLeaf && level > 1 { bad |= (1 &<< shift &- 1) & ~0x1fff }
            if entry & bad != 0 { return faulting(access, present: true, reserved: true) }
            rights &= entry
            forbidden |= entry & Self.noExecute
            guard isLeaf else {
                if entry & Self.accessed == 0,
                    !replaceEntry(place, entry, entry | Self.accessed, wide: true)
                {
                    return nil
                }
                table = entry & Self.addressMask
                level &-= 1
                continue
            }
            let base = (entry & Self.addressMask) & ~(1 &<< shift &- 1)
            let page = base | linear & (1 &<< shift &- 1) & ~0xfff
            return finish(
                linear, access,
                Leaf(
                    place: place, entry: entry, page: page, rights: rights,
                    executable: forbidden == 0, wide: true, large: level > 1))
        }
    }

    /// Two levels of 1,024 entries of 4 bytes.
    private func walkNarrow(_ linear: UInt64, _ access: PageAccess) -> Translation? {
        let upper = (state.cr3 & 0xffff_f000) &+ (linear >> 22) &* 4
        guard let first = loadEntry32(upper), first & Self.present != 0 else {
            return faulting(access, present: false)
        }
        if first & Self.large != 0, state.cr4 & 1 << 4 != 0 {
            let page = first & 0xffc0_0000 | (first >> 13 & 0xff) << 32 | linear & 0x3f_f000
            return finish(
                linear, access,
                Leaf(
                    place: upper, entry: first, page: page, rights: first, executable: true,
                    wide: false, large: true))
        }
        let place = (first & 0xffff_f000) &+ (linear >> 12 & 1023) &* 4
        guard let entry = loadEntry32(place), entry & Self.present != 0 else {
            return faulting(access, present: false)
        }
        if first & Self.accessed == 0,
            !replaceEntry(upper, first, first | Self.accessed, wide: false)
        {
            return nil
        }
        return finish(
            linear, access,
            Leaf(
                place: place, entry: entry, page: entry & 0xffff_f000, rights: first & entry,
                executable: true, wide: false))
    }

    private struct Leaf {
        let place: UInt64
        let entry: UInt64
        let page: UInt64
        let rights: UInt64
        let executable: Bool
        let wide: Bool
        var large = false
    }

    /// Judges the access by the rights collected and sets the leaf's accessed and dirty bits.
    private func finish(_ linear: UInt64, _ access: PageAccess, _ leaf: Leaf) -> Translation? {
        let isUser = leaf.rights & Self.user != 0
        let mayWrite =
            leaf.rights & Self.writable != 0 || !access.user && state.cr0 & 1 << 16 == 0
        let allowed: Bool
        if access.user {
            allowed = isUser
        } else if access.execute {
            allowed = !(isUser && state.cr4 & 1 << 20 != 0)
        } else {
            allowed = !(isUser && access.smap)
        }
        guard allowed, mayWrite || !access.write, leaf.executable || !access.execute else {
            return faulting(access, present: true)
        }
        var entry = leaf.entry | Self.accessed
        if access.write { entry |= Self.dirty }
        if entry != leaf.entry, !replaceEntry(leaf.place, leaf.entry, entry, wide: leaf.wide) {
            return nil
        }
        return Translation(
            page: leaf.page, writable: mayWrite && entry & Self.dirty != 0,
            global: entry & Self.global != 0 && state.cr4 & 1 << 7 != 0, large: leaf.large,
            fault: nil)
    }

    private func faulting(
        _ access: PageAccess, present: Bool, reserved: Bool = false
    ) -> Translation {
        var code: UInt32 = present ? 1 : 0
        if access.write { code |= 2 }
        if access.user { code |= 4 }
        if reserved { code |= 8 }
        let reportsFetch = state.msrs.efer & 1 << 11 != 0 || state.cr4 & 1 << 20 != 0
        if access.execute && reportsFetch { code |= 16 }
        return Translation(fault: code)
    }

    // MARK: Entries

    /// Host address of `count` bytes at a guest-physical address, if they are memory that can be
    /// written to.
    @inline(__always) func ram(_ physical: UInt64, count: UInt64) -> UInt? {
        state.ram.hostAddress(of: physical, count: count) ?? farRAM(physical, count, writing: true)
    }

    /// The same of memory that can be read.
    @inline(__always) func readable(_ physical: UInt64, count: UInt64) -> UInt? {
        state.ram.hostAddress(of: physical, count: count) ?? farRAM(physical, count, writing: false)
    }

    @inline(never) private func farRAM(
        _ physical: UInt64, _ count: UInt64, writing: Bool
    ) -> UInt? {
        // Nobody else keeps the block where it is: the processors that run are another engine's.
        vcpu.completion?.pins.addOnce(GuestAddress(physical), count: count)
        return vcpu.memory.farAddress(physical, count, writing: writing)
    }

    /// Table entries outside memory read as not present.
    private func loadEntry(_ place: UInt64) -> UInt64? {
        guard let host = readable(place, count: 8) else {
            return nil
        }
        return unsafe clinux_load64(HostAddress(host).pointer)
    }

    private func loadEntry32(_ place: UInt64) -> UInt64? {
        guard let host = readable(place, count: 4) else {
            return nil
        }
        return unsafe UInt64(clinux_load32(HostAddress(host).pointer))
    }

    /// False if somebody else has changed the entry meanwhile: walk again. Tables in memory that is
    /// read-only stay as they are.
    private func replaceEntry(_ place: UInt64, _ old: UInt64, _ new: UInt64, wide: Bool) -> Bool {
        guard let host = ram(place, count: wide ? 8 : 4)
        else { return true }
        let address = HostAddress(host)
        defer { vcpu.completion?.wrote(host, wide ? 8 : 4) }
        if wide { return address.compareExchange(old, new) == old }
        let narrow = UInt32(truncatingIfNeeded: old)
        return address.compareExchange(narrow, UInt32(truncatingIfNeeded: new)) == narrow
    }
}

// SPDX-License-Identifier: Apache-2.0
import Memory

/// Translating the addresses that code is fetched from.
extension Processor {
    /// The host address of the code at `linear`, or nil with an exception pending. Instructions can
    /// only be fetched from memory: elsewhere #UD, as of the all-ones bytes of an idle bus.
    func translateCode(_ linear: UInt64) -> UInt? {
        let entry = TranslationEntry(table: state.codeTLB, linear: linear)
        let tag = linear & ~0xfff | (state.privilege == 3 ? 1 : 0)
        if entry.readTag == tag { return HostAddress(linear, addend: entry.addend).rawValue }
        if state.mode.is64 && !isCanonical(linear) {
            pend(.generalProtection)
            return nil
        }
        let found = walk(linear, PageAccess(execute: true, user: state.privilege == 3))
        if let code = found.fault {
            state.cr2 = linear
            pend(.page, errorCode: code)
            return nil
        }
        guard let page = readable(found.page, count: 4096) else {
            pend(.invalidOpcode)
            return nil
        }
        entry.readTag = tag
        entry.addend = UInt64(page) &- (linear & ~0xfff)
        entry.physical = found.page | (found.large ? 2 : 0)
        return page &+ UInt(linear & 0xfff)
    }

    /// The physical address of code just translated.
    func codePhysical(_ linear: UInt64) -> UInt64 {
        TranslationEntry(table: state.codeTLB, linear: linear).physical & ~0xfff | linear & 0xfff
    }

    /// The physical page behind the one that `linear` lies in, or nothing that matches.
    func secondPage(_ linear: UInt64) -> UInt64 {
        let second = (linear | 0xfff) &+ 1
        let before = state.pending
        let cr2 = state.cr2
        guard translateCode(second) != nil else {
            // The fault, if there is one, comes when the instruction is decoded anew.
            state.pending = before
            state.cr2 = cr2
            return .max - 1
        }
        return codePhysical(second) & ~0xfff
    }
}

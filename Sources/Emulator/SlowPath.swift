// SPDX-License-Identifier: Apache-2.0
import CLinux
import Memory

/// Data accesses that the translation buffer could not serve: first touches, page crossings,
/// devices, pages that hold decoded code, faults.
extension Processor {
    /// One page's part of an access, translated.
    private struct Target {
        /// Host address, or 0 for a device.
        var host: UInt = 0
        var physical: UInt64 = 0
    }

    @inline(never) func loadSlow(_ address: UInt64, byteCount: Int) -> UInt64? {
        guard checkAddress(address, byteCount: byteCount, write: false) else { return nil }
        let first = bytesInPage(address, byteCount)
        guard let low = translate(address, write: false) else { return nil }
        guard first < byteCount else { return read(low, byteCount) }
        guard let high = translate(address &+ UInt64(first), write: false) else { return nil }
        return read(low, first) | read(high, byteCount &- first) &<< UInt64(first &* 8)
    }

    /// Reads what will be written back: write access is checked first.
    @inline(never) func loadForUpdate(_ address: UInt64, byteCount: Int) -> UInt64? {
        guard probeWrite(address, byteCount: byteCount) else { return nil }
        return loadSlow(address, byteCount: byteCount)
    }

    /// Checks that all of the bytes may be written, and raises what writing them would raise.
    @inline(never) func probeWrite(_ address: UInt64, byteCount: Int) -> Bool {
        guard checkAddress(address, byteCount: byteCount, write: true),
            translate(address, write: true) != nil
        else { return false }
        let first = bytesInPage(address, byteCount)
        return first == byteCount || translate(address &+ UInt64(first), write: true) != nil
    }

    @inline(never) func storeSlow(_ address: UInt64, byteCount: Int, _ value: UInt64) -> Bool {
        guard checkAddress(address, byteCount: byteCount, write: true) else { return false }
        let first = bytesInPage(address, byteCount)
        guard let low = translate(address, write: true) else { return false }
        guard first < byteCount else {
            write(low, byteCount, value)
            return true
        }
        guard let high = translate(address &+ UInt64(first), write: true) else { return false }
        write(low, first, value)
        write(high, byteCount &- first, value &>> UInt64(first &* 8))
        return true
    }

    /// An atomic update that is unaligned, or in a page that writes do not hit. Those that cross a
    /// page or a cache line are made atomic against each other by a lock, as a bus lock would.
    @inline(never) func updateLockedSlow(
        _ address: UInt64, byteCount: Int, _ body: (UInt64) -> UInt64
    ) -> Bool {
        guard checkAddress(address, byteCount: byteCount, write: true),
            let target = translate(address, write: true)
        else { return false }
        if target.host != 0, address & UInt64(byteCount &- 1) == 0 {
            let host = HostAddress(target.host)
            switch byteCount {
            case 1: exchange(host, UInt8.self, body)
            case 2: exchange(host, UInt16.self, body)
            case 4: exchange(host, UInt32.self, body)
            default: exchange(host, UInt64.self, body)
            }
            vcpu.wrote(target.host, byteCount)
            return true
        }
        return vcpu.machine.withBusLock {
            // Read under the lock, too: another such update between the two would be lost.
            guard let old = loadForUpdate(address, byteCount: byteCount) else { return false }
            return storeSlow(address, byteCount: byteCount, body(old))
        }
    }

    private func exchange<T: Word>(_ host: HostAddress, _ type: T.Type, _ body: (UInt64) -> UInt64)
    {
        var old = host.load(T.self)
        while true {
            let new = T(truncatingIfNeeded: body(UInt64(truncatingIfNeeded: old)))
            let found = host.compareExchange(old, new)
            if found == old { return }
            old = found
        }
    }

    // MARK: Steps

    private func bytesInPage(_ address: UInt64, _ byteCount: Int) -> Int {
        min(byteCount, 0x1000 &- Int(truncatingIfNeeded: address & 0xfff))
    }

    /// Canonical form in 64-bit code, and alignment where the guest asks for it.
    private func checkAddress(_ address: UInt64, byteCount: Int, write: Bool) -> Bool {
        if state.mode.is64 {
            let last = address &+ UInt64(byteCount &- 1)
            guard isCanonical(address), isCanonical(last) else {
                pend(.generalProtection)
                state.pending.isAddress = true
                return false
            }
        }
        return state.dataTLB != state.noTLB || checkEach(address, byteCount, write: write)
    }

    /// What is looked at on every access while nothing hits: alignment, where the guest asks for it,
    /// and data breakpoints.
    private func checkEach(_ address: UInt64, _ byteCount: Int, write: Bool) -> Bool {
        // Ten bytes are as eight and two, sixteen as two times eight.
        let alignment = min(8, 1 &<< (63 &- UInt64(byteCount).leadingZeroBitCount))
        guard isAligned(address, UInt64(alignment)) else { return false }
        if hasBreakpoints {
            state.watchHits |= dataBreakpoints(
                at: address, byteCount: UInt64(byteCount), isWrite: write)
        }
        return true
    }

    /// Whether programs are to be told of operands that are not aligned.
    private var checksAlignment: Bool {
        state.privilege == 3 && state.cr0 & ControlBits.am != 0
            && state.systemFlags & ControlBits.ac != 0
    }

    /// Not canonical, which is found before alignment is looked at.
    func isWrong(_ address: UInt64, _ byteCount: UInt64) -> Bool {
        state.mode.is64 && !(isCanonical(address) && isCanonical(address &+ byteCount &- 1))
    }

    /// False: #AC is pending.
    @inline(never) func isAligned(_ address: UInt64, _ alignment: UInt64) -> Bool {
        guard address & (alignment &- 1) != 0, checksAlignment else { return true }
        pend(.alignment)
        return false
    }

    /// Runs `body`, whose accesses are parts of one operand, after the only check of its alignment.
    @inline(never) func accessing(
        _ address: UInt64, alignment: UInt64, _ body: () -> Bool
    ) -> Bool {
        guard checksAlignment else { return body() }
        guard isWrong(address, alignment) || isAligned(address, alignment) else { return false }
        state.systemFlags &= ~ControlBits.ac
        defer { state.systemFlags |= ControlBits.ac }
        return body()
    }

    /// The halves of a vector, which may lie in two pages.
    @inline(never) func loadVectorSlow(_ address: UInt64) -> SIMD2<UInt64>? {
        guard isWrong(address, 16) || isAligned(address, 16),
            let low = loadSlow(address, byteCount: 8),
            let high = loadSlow(address &+ 8, byteCount: 8)
        else { return nil }
        return SIMD2(low, high)
    }

    @inline(never) func storeVectorSlow(_ address: UInt64, _ value: SIMD2<UInt64>) -> Bool {
        (isWrong(address, 16) || isAligned(address, 16)) && probeWrite(address, byteCount: 16)
            && storeSlow(address, byteCount: 8, value[0])
            && storeSlow(address &+ 8, byteCount: 8, value[1])
    }

    /// The access that has just failed was the stack's own: an address that is not canonical is
    /// #SS there. Intel SDM 3, 6.15, interrupt 12.
    @inline(never) func blameStack() {
        guard state.pending.isAddress else { return }
        pend(.stack)
    }

    /// As ``blameStack()`` for a memory operand whose segment is SS, by its base register.
    @inline(never) func blameOperand(_ op: Op) {
        let byStack = op.base == Register.rsp || op.base == Register.rbp
        if byStack && op.segment == Register.zero { blameStack() }
        state.pending.isAddress = false
    }

    /// Bits 63 to 47 are all alike: a linear address of four-level paging.
    @inline(__always) func isCanonical(_ address: UInt64) -> Bool {
        let top = Int64(bitPattern: address) &>> 47
        return top == 0 || top == -1
    }

    /// The host address of data that has just been probed for writing; nil: a device.
    func hostAddress(_ address: UInt64) -> UInt? {
        guard let target = translate(address, write: true), target.host != 0 else { return nil }
        return target.host
    }

    /// Translates one byte's page, filling the translation buffer; nil: a page fault is pending.
    private func translate(_ address: UInt64, write: Bool) -> Target? {
        let linear = state.mode.has(CodeMode.longActive) ? address : address & 0xffff_ffff
        let table = state.dataTLB
        let access = PageAccess(
            write: write, execute: false,
            user: state.privilege == 3 && table != state.supervisorTLB
                && table != state.supervisorUserTLB,
            smap: table == state.supervisorTLB
                || table == state.noTLB && state.cr4 & ControlBits.smap != 0
                    && state.systemFlags & ControlBits.ac == 0
        )
        let entry = TranslationEntry(table: table, linear: linear)
        let tag = linear & ~0xfff
        if (write ? entry.writeTag : entry.readTag) == tag {
            let physical = entry.physical & ~0xfff | linear & 0xfff
            return Target(
                host: HostAddress(linear, addend: entry.addend).rawValue, physical: physical)
        }
        var found = walk(linear, access)
        if let code = found.fault {
            state.cr2 = linear
            pend(.page, errorCode: code)
            return nil
        }
        let physical = found.page | linear & 0xfff
        guard let page = hostPage(&found, write: write) else {
            return Target(host: 0, physical: physical)
        }
        if table != state.noTLB, vcpu.completion == nil {
            fill(entry, tag: tag, host: page, found)
        }
        return Target(host: page &+ UInt(linear & 0xfff), physical: physical)
    }

    /// Host address of a page of memory; nil: a device, which is what read-only memory is to writes.
    private func hostPage(_ found: inout Translation, write: Bool) -> UInt? {
        if let page = ram(found.page, count: 4096) { return page }
        guard !write else { return nil }
        found.writable = false
        return readable(found.page, count: 4096)
    }

    /// Pages that hold decoded code never hit for writes, so that every write to them is seen.
    private func fill(_ entry: TranslationEntry, tag: UInt64, host: UInt, _ found: Translation) {
        entry.readTag = tag
        entry.addend = UInt64(host) &- tag
        entry.physical = found.page | (found.global ? 1 : 0) | (found.large ? 2 : 0)
        entry.writeTag = found.writable ? tag : TranslationEntry.invalid
        if found.writable {
            clinux_fence()
            if vcpu.codeMap.holdsCode(host) { entry.writeTag = TranslationEntry.invalid }
        }
    }

    private func read(_ target: Target, _ byteCount: Int) -> UInt64 {
        guard target.host != 0 else { return readDevice(target.physical, byteCount) }
        let host = HostAddress(target.host)
        switch byteCount {
        case 1: return UInt64(host.load(UInt8.self))
        case 2: return UInt64(host.load(UInt16.self))
        case 4: return UInt64(host.load(UInt32.self))
        case 8: return host.load(UInt64.self)
        default:
            var value: UInt64 = 0
            for index in 0..<byteCount {
                let byte = HostAddress(target.host &+ UInt(index)).load(UInt8.self)
                value |= UInt64(byte) &<< UInt64(index &* 8)
            }
            return value
        }
    }

    private func write(_ target: Target, _ byteCount: Int, _ value: UInt64) {
        guard target.host != 0 else { return writeDevice(target.physical, byteCount, value) }
        let host = HostAddress(target.host)
        switch byteCount {
        case 1: host.store(UInt8(truncatingIfNeeded: value))
        case 2: host.store(UInt16(truncatingIfNeeded: value))
        case 4: host.store(UInt32(truncatingIfNeeded: value))
        case 8: host.store(value)
        default:
            for index in 0..<byteCount {
                HostAddress(target.host &+ UInt(index))
                    .store(UInt8(truncatingIfNeeded: value &>> UInt64(index &* 8)))
            }
        }
        vcpu.wrote(target.host, byteCount)
    }

    /// Devices see accesses of 1, 2, 4 or 8 bytes; others (parts of a crossing) go byte by byte.
    private func readDevice(_ physical: UInt64, _ byteCount: Int) -> UInt64 {
        if byteCount & (byteCount &- 1) == 0 {
            return vcpu.readDevice(GuestAddress(physical), size: byteCount)
        }
        var value: UInt64 = 0
        for index in 0..<byteCount {
            let byte = vcpu.readDevice(GuestAddress(physical &+ UInt64(index)), size: 1) & 0xff
            value |= byte &<< UInt64(index &* 8)
        }
        return value
    }

    private func writeDevice(_ physical: UInt64, _ byteCount: Int, _ value: UInt64) {
        if byteCount & (byteCount &- 1) == 0 {
            return vcpu.writeDevice(GuestAddress(physical), size: byteCount, value: value)
        }
        for index in 0..<byteCount {
            vcpu.writeDevice(
                GuestAddress(physical &+ UInt64(index)), size: 1,
                value: value &>> UInt64(index &* 8) & 0xff)
        }
    }

    // MARK: Flushing

    /// Forgets translations of code and data; `global`: also those of global pages.
    @inline(never) func flushTLB(global: Bool) {
        for table in [state.userTLB, state.supervisorTLB, state.supervisorUserTLB] {
            if global {
                TranslationEntry.clear(table: table)
            } else {
                TranslationEntry.clearLocal(table: table)
            }
        }
        TranslationEntry.clear(table: state.codeTLB)
        state.generation &+= 1
        state.codeKey = state.generation &<< 8 | UInt64(state.mode.rawValue)
    }

    /// Forgets the translations of one linear page.
    @inline(never) func flushPage(_ linear: UInt64) {
        for table in [
            state.userTLB, state.supervisorTLB, state.supervisorUserTLB, state.codeTLB,
        ] {
            TranslationEntry.drop(table: table, linear: linear)
        }
        state.generation &+= 1
        state.codeKey = state.generation &<< 8 | UInt64(state.mode.rawValue)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Hypervisor

extension Processor {
    /// Derives how code is decoded and how data is reached from CS, SS, CPL, CR0, CR4, EFER and
    /// RFLAGS.AC. To be called after any of them has changed.
    func updateMode() {
        let old = state.mode.rawValue
        let cr0 = state.cr0
        let user = state.privilege == 3
        var mode: UInt8 = user ? CodeMode.user : 0
        if cr0 & ControlBits.pe != 0 { mode |= CodeMode.protected }
        if state.msrs.efer & ControlBits.lma != 0 { mode |= CodeMode.longActive }
        let code = state.segments[1].attributes
        if mode & CodeMode.longActive != 0 && code & 0x2000 != 0 {
            mode |= CodeMode.long64 | CodeMode.flat
        } else {
            mode |= old & CodeMode.flat
            if code & 0x4000 != 0 { mode |= CodeMode.default32 }
            if state.segments[2].attributes & 0x4000 != 0 { mode |= CodeMode.stack32 }
        }
        if cr0 & (ControlBits.em | ControlBits.ts) != 0 || state.cr4 & ControlBits.osfxsr == 0 {
            mode |= CodeMode.vectorsFault
        }
        if (mode ^ old) & CodeMode.long64 != 0 {
            mode = syncSegments(mode)
        }
        state.mode.rawValue = mode
        state.codeKey = state.generation << 8 | UInt64(mode)
        if hasBreakpoints {
            // Every access is compared.
            state.dataTLB = state.noTLB
            return
        }
        let alignmentOrAccess = state.systemFlags & ControlBits.ac != 0
        if user {
            let checked = alignmentOrAccess && cr0 & ControlBits.am != 0
            state.dataTLB = checked ? state.noTLB : state.userTLB
        } else {
            let refused = !alignmentOrAccess && state.cr4 & ControlBits.smap != 0
            state.dataTLB = refused ? state.supervisorTLB : state.supervisorUserTLB
        }
    }

    /// As ``updateMode()`` after segments have been put into the state from outside, by whatever
    /// way but ``setSegment(_:_:)``: their bases and flatness are taken over as well.
    func reloadSegments() {
        updateMode()
        state.mode.rawValue = syncSegments(state.mode.rawValue)
        updateMode()
    }

    /// Puts `segment` into segment register `number`, with its base where addresses are computed.
    /// The caller has made all checks, and calls ``updateMode()`` when it has set them all.
    func setSegment(_ number: Int, _ segment: Segment) {
        state.segments[number] = segment
        if state.mode.is64 {
            if number >= 4 { set64(Register.base(of: number), segment.base) }
        } else {
            set64(Register.base(of: number), segment.base & 0xffff_ffff)
            if isFlat {
                state.mode.rawValue |= CodeMode.flat
            } else {
                state.mode.rawValue &= ~CodeMode.flat
            }
        }
    }

    /// Writes all base slots as `mode` wants them; answers `mode` with the right flat bit.
    @inline(never) private func syncSegments(_ mode: UInt8) -> UInt8 {
        let is64 = mode & CodeMode.long64 != 0
        for number in 0..<6 {
            let base = state.segments[number].base
            let slot = is64 ? (number >= 4 ? base : 0) : base & 0xffff_ffff
            set64(Register.base(of: number), slot)
        }
        return is64 || isFlat ? mode | CodeMode.flat : mode & ~CodeMode.flat
    }

    /// True if no segment's limit can be exceeded, nor access to data be refused.
    private var isFlat: Bool {
        for number in 0..<6 {
            if !state.segments[number].isUnlimited { return false }
        }
        return true
    }
}

extension CodeMode {
    /// Vector instructions cannot just run: CR0.EM or TS is set, or CR4.OSFXSR clear.
    static var vectorsFault: UInt8 { 0x80 }
}

// SPDX-License-Identifier: Apache-2.0

/// Accesses that the processor makes on its own account, to descriptor tables, task state and the
/// stacks of inner levels. They are supervisor accesses whatever CPL is, and RFLAGS.AC does not
/// lift SMAP for them. Intel SDM 3, 4.6.1.
///
/// As with all accesses, nil or false means that an exception is pending.
extension Processor {
    /// The table for accesses as a supervisor without RFLAGS.AC.
    private var implicitTLB: UInt {
        state.cr4 & ControlBits.smap != 0 ? state.supervisorTLB : state.supervisorUserTLB
    }

    /// Reads a word of system data at linear address `linear`.
    func systemLoad<T: Word>(_ linear: UInt64, _ type: T.Type = T.self) -> T? {
        let table = state.dataTLB
        let privilege = state.privilege
        state.dataTLB = implicitTLB
        state.privilege = 0
        let value = load(truncated(linear), T.self)
        state.dataTLB = table
        state.privilege = privilege
        return value
    }

    /// Writes a word of system data at linear address `linear`.
    func systemStore<T: Word>(_ linear: UInt64, _ value: T) -> Bool {
        let table = state.dataTLB
        let privilege = state.privilege
        state.dataTLB = implicitTLB
        state.privilege = 0
        let done = store(truncated(linear), value)
        state.dataTLB = table
        state.privilege = privilege
        return done
    }

    /// As ``systemLoad(_:_:)`` for `size` 0 to 3: 1, 2, 4, 8 bytes.
    func systemLoad(_ linear: UInt64, size: Int) -> UInt64? {
        switch size {
        case 0: systemLoad(linear, UInt8.self).map { UInt64($0) }
        case 1: systemLoad(linear, UInt16.self).map { UInt64($0) }
        case 2: systemLoad(linear, UInt32.self).map { UInt64($0) }
        default: systemLoad(linear, UInt64.self)
        }
    }

    /// As ``systemStore(_:_:)`` for `size` 0 to 3: the low 1, 2, 4, 8 bytes of `value`.
    func systemStore(_ linear: UInt64, size: Int, _ value: UInt64) -> Bool {
        switch size {
        case 0: systemStore(linear, UInt8(truncatingIfNeeded: value))
        case 1: systemStore(linear, UInt16(truncatingIfNeeded: value))
        case 2: systemStore(linear, UInt32(truncatingIfNeeded: value))
        default: systemStore(linear, value)
        }
    }

    /// Reads as the program does, `size` 0 to 3.
    func programLoad(_ linear: UInt64, size: Int) -> UInt64? {
        switch size {
        case 0: load(linear, UInt8.self).map { UInt64($0) }
        case 1: load(linear, UInt16.self).map { UInt64($0) }
        case 2: load(linear, UInt32.self).map { UInt64($0) }
        default: load(linear, UInt64.self)
        }
    }

    /// Writes as the program does, `size` 0 to 3.
    func programStore(_ linear: UInt64, size: Int, _ value: UInt64) -> Bool {
        switch size {
        case 0: store(linear, UInt8(truncatingIfNeeded: value))
        case 1: store(linear, UInt16(truncatingIfNeeded: value))
        case 2: store(linear, UInt32(truncatingIfNeeded: value))
        default: store(linear, value)
        }
    }

    /// Outside long mode linear addresses have 32 bits.
    @inline(__always) func truncated(_ linear: UInt64) -> UInt64 {
        state.mode.has(CodeMode.longActive) ? linear : linear & 0xffff_ffff
    }

    /// Pends `exception` for the segment `selector`: its index and table with `external` as bit 0.
    /// Always false, to be answered on.
    @inline(never) func refuse(
        _ exception: Exception, _ selector: UInt16, external: UInt32 = 0
    ) -> Bool {
        pend(exception, errorCode: UInt32(selector & 0xfffc) | external)
        return false
    }
}

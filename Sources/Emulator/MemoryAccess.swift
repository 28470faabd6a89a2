// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Data accesses by linear address. A nil or false answer means that an exception is pending and
/// nothing has changed; the handler answers with ``Processor/fault(_:)``.
extension Processor {
    /// Reads an operand.
    @inline(__always) func load<T: Word>(_ address: UInt64, _ type: T.Type = T.self) -> T? {
        if let value = loadHit(address, T.self) { return value }
        guard let value = loadSlow(address, byteCount: T.byteCount) else { return nil }
        return T(truncatingIfNeeded: value)
    }

    /// Reads an operand if the translation buffer knows its page; nil says no more than that.
    ///
    /// A handler that leaves everything else to a function which it ends with needs no stack frame.
    @inline(__always) func loadHit<T: Word>(_ address: UInt64, _ type: T.Type = T.self) -> T? {
        let entry = TranslationEntry(table: state.dataTLB, linear: address)
        let last = address &+ UInt64(T.byteCount - 1)
        guard entry.readTag == last & ~0xfff else { return nil }
        return HostAddress(address, addend: entry.addend).load(T.self)
    }

    /// Writes an operand.
    @inline(__always) func store<T: Word>(_ address: UInt64, _ value: T) -> Bool {
        storeHit(address, value)
            || storeSlow(address, byteCount: T.byteCount, UInt64(truncatingIfNeeded: value))
    }

    /// As ``loadHit(_:_:)``.
    @inline(__always) func storeHit<T: Word>(_ address: UInt64, _ value: T) -> Bool {
        let entry = TranslationEntry(table: state.dataTLB, linear: address)
        let last = address &+ UInt64(T.byteCount - 1)
        guard entry.writeTag == last & ~0xfff else { return false }
        HostAddress(address, addend: entry.addend).store(value)
        return true
    }

    /// Reads an operand, computes and writes the new value to the same place. `body` must have no
    /// effect of its own: it may run before an exception is found.
    @inline(__always) func update<T: Word>(
        _ address: UInt64, _ type: T.Type = T.self, _ body: (T) -> T
    ) -> Bool {
        let entry = TranslationEntry(table: state.dataTLB, linear: address)
        let last = address &+ UInt64(T.byteCount - 1)
        if entry.writeTag == last & ~0xfff {
            let host = HostAddress(address, addend: entry.addend)
            host.store(body(host.load(T.self)))
            return true
        }
        guard let old = loadForUpdate(address, byteCount: T.byteCount) else { return false }
        return storeSlow(
            address, byteCount: T.byteCount,
            UInt64(truncatingIfNeeded: body(T(truncatingIfNeeded: old))))
    }

    /// As ``update(_:_:_:)``, atomic against other processors and devices (LOCK). `body` may run
    /// more than once.
    @inline(__always) func updateLocked<T: Word>(
        _ address: UInt64, _ type: T.Type = T.self, _ body: (T) -> T
    ) -> Bool {
        let entry = TranslationEntry(table: state.dataTLB, linear: address)
        if entry.writeTag == address & ~0xfff, address & UInt64(T.byteCount - 1) == 0 {
            let host = HostAddress(address, addend: entry.addend)
            var old = host.load(T.self)
            while true {
                let found = host.compareExchange(old, body(old))
                if found == old { return true }
                old = found
            }
        }
        return updateLockedSlow(address, byteCount: T.byteCount) {
            UInt64(truncatingIfNeeded: body(T(truncatingIfNeeded: $0)))
        }
    }

    /// As ``update(_:_:_:)``, or as ``updateLocked(_:_:_:)``; answers what was there before.
    @inline(__always) func replace<T: Word>(
        _ address: UInt64, _ type: T.Type = T.self, locked: Bool, _ body: (T) -> T
    ) -> T? {
        var old: T = 0
        // Not one closure for both: kept in a variable it would be allocated.
        if locked {
            guard
                updateLocked(
                    address, T.self,
                    {
                        old = $0
                        return body($0)
                    })
            else { return nil }
        } else {
            guard
                update(
                    address, T.self,
                    {
                        old = $0
                        return body($0)
                    })
            else { return nil }
        }
        return old
    }

    /// Reads 16 bytes.
    @inline(__always) func loadVector(_ address: UInt64) -> SIMD2<UInt64>? {
        let entry = TranslationEntry(table: state.dataTLB, linear: address)
        if entry.readTag == (address &+ 15) & ~0xfff {
            return HostAddress(address, addend: entry.addend).load(SIMD2<UInt64>.self)
        }
        return loadVectorSlow(address)
    }

    /// Writes 16 bytes, all or nothing.
    @inline(__always) func storeVector(_ address: UInt64, _ value: SIMD2<UInt64>) -> Bool {
        let entry = TranslationEntry(table: state.dataTLB, linear: address)
        if entry.writeTag == (address &+ 15) & ~0xfff {
            HostAddress(address, addend: entry.addend).store(value)
            return true
        }
        return storeVectorSlow(address, value)
    }
}

extension HostAddress {
    /// Compares and exchanges atomically; answers what was there. The address is aligned.
    @inline(__always) func compareExchange<T: Word>(_ expected: T, _ desired: T) -> T {
        switch T.bitWidth {
        case 8:
            unsafe T(
                truncatingIfNeeded: clinux_cas8(
                    pointer, UInt8(truncatingIfNeeded: expected),
                    UInt8(truncatingIfNeeded: desired)))
        case 16:
            unsafe T(
                truncatingIfNeeded: clinux_cas16(
                    pointer, UInt16(truncatingIfNeeded: expected),
                    UInt16(truncatingIfNeeded: desired)))
        case 32:
            unsafe T(
                truncatingIfNeeded: clinux_cas32(
                    pointer, UInt32(truncatingIfNeeded: expected),
                    UInt32(truncatingIfNeeded: desired)))
        default:
            unsafe T(
                truncatingIfNeeded: clinux_cas64(
                    pointer, UInt64(truncatingIfNeeded: expected),
                    UInt64(truncatingIfNeeded: desired)))
        }
    }
}

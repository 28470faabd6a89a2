// SPDX-License-Identifier: Apache-2.0
import CJudge

/// The machine's own processor. One a process: its memory has fixed addresses.
@safe struct JudgeNative {
    enum Failure: Error, CustomStringConvertible {
        case unavailable(Int32)
        var description: String {
            switch self {
            case .unavailable(let code):
                "instructions cannot be run on this machine's processor: errno \(-code)"
            }
        }
    }

    /// True where the host's processor is of the kind that the software one says it is.
    static var isFit: Bool { cjudge_is_fit() != 0 }

    /// The calling thread runs the instructions from here on.
    init() throws(Failure) {
        precondition(cjudge_state_size() == MemoryLayout<JudgedState>.stride)
        for code in [cjudge_prepare(), cjudge_enter_thread()] where code != 0 {
            throw .unavailable(code)
        }
    }

    /// Ends endless loops, and forbids system calls that a judge does not make.
    func confine() throws(Failure) {
        let code = cjudge_confine()
        if code != 0 { throw .unavailable(code) }
    }

    func run(_ before: [JudgedState], into after: inout [JudgedState]) {
        precondition(before.count == after.count)
        unsafe before.withUnsafeBytes { from in
            unsafe after.withUnsafeMutableBytes { to in
                guard let from = from.baseAddress, let to = to.baseAddress else { return }
                unsafe cjudge_run(from, to, before.count)
            }
        }
    }

    func write(_ bytes: [UInt8], at address: UInt64) {
        unsafe bytes.withUnsafeBytes { from in
            guard let start = from.baseAddress else { return }
            unsafe cjudge_write(address, start, bytes.count)
        }
    }

    /// Where memory first differs from `bytes`; nil: nowhere.
    func difference(_ bytes: [UInt8], at address: UInt64) -> Int? {
        unsafe bytes.withUnsafeBytes { from in
            guard let start = from.baseAddress else { return nil }
            let place = unsafe cjudge_differs(address, start, bytes.count)
            return place == 0 ? nil : place - 1
        }
    }
}

extension JudgeNative {
    func read(_ address: UInt64, _ count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { room, filled in
            guard let start = room.baseAddress else { return }
            unsafe cjudge_read(address, start, count)
            filled = count
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Linux

/// Our standard input, on its way to the guest.
struct Input {
    static var descriptor: CInt { 0 }

    /// There is more to come.
    private(set) var isOpen: Bool
    /// A person types here, and each key goes to the guest.
    private let isRaw: Bool
    private var escapes: [UInt64] = []

    init(isOpen: Bool, isRaw: Bool) {
        self.isOpen = isOpen
        self.isRaw = isRaw
    }

    enum Read {
        case bytes([UInt8])
        case end
        /// Ctrl-] has been pressed three times: the person wants out.
        case escape
    }

    func register(in set: inout PollSet) {
        if isOpen { set.add(Self.descriptor, .readable) }
    }

    /// Reads at most `limit` bytes; nil: none yet.
    mutating func read(_ set: PollSet, limit: Int) -> Read? {
        guard isOpen, set.isReadable(Self.descriptor) else { return nil }
        do throws(Errno) {
            let bytes = try Stream.read(Self.descriptor, limit: limit)
            if bytes.isEmpty {
                isOpen = false
                return .end
            }
            return isRaw && isEscape(bytes) ? .escape : .bytes(bytes)
        } catch .again, .interrupted {
            return nil
        } catch {
            isOpen = false
            return .end
        }
    }

    private mutating func isEscape(_ bytes: [UInt8]) -> Bool {
        let now = Clock.monotonic
        for byte in bytes {
            // Control and ']'.
            guard byte == 0x1d else {
                escapes.removeAll()
                continue
            }
            escapes.append(now)
            if escapes.count >= 3, now &- escapes[escapes.count - 3] < 1_000_000_000 { return true }
        }
        return false
    }
}

// SPDX-License-Identifier: Apache-2.0
import Client
import Linux

/// Signals that ask this program, and no command in a guest, to come to its end.
final class Interruption {
    private let signals: SignalReader
    /// The first that has come.
    private(set) var signal: Signal?

    init() throws(ClientError) {
        do throws(Errno) {
            signals = try SignalReader([.interrupt, .terminate, .hangUp])
        } catch {
            throw ClientError(.system, "cannot watch signals: \(error)")
        }
    }

    /// Readable when one comes.
    var descriptor: CInt { signals.descriptor.rawValue }

    /// Whether one has come.
    var hasCome: Bool {
        if signal == nil { signal = signals.next() }
        return signal != nil
    }
}

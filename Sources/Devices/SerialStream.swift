// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// The two descriptors of a serial port and how the event loop watches them.
///
/// They may be shared with other programs (a terminal), so their flags stay as they are and
/// nothing is read or written unless it is ready. Lock order: this one's, then the port's.
final class SerialStream: Sendable {
    private struct State {
        var loop: EventLoop?
        /// The input is watched, or will be as soon as the guest has room.
        var isReading = false
        /// The output is watched for room.
        var isWriting = false
        var inputEnded = false
    }

    private let state = Mutex(State())
    /// Reading stopped because the guest left too much unread.
    private let isFull = Atomic<Bool>(false)
    private let output: FileDescriptor
    private let input: FileDescriptor
    /// Regular files and the like are always ready and cannot be watched.
    private let watchesInput: Bool

    /// A descriptor of -1 stands for none.
    init(output: consuming FileDescriptor, input: consuming FileDescriptor) {
        self.output = output
        watchesInput = input.rawValue >= 0 && input.isPollable
        self.input = input
    }

    // MARK: Output

    /// Pieces of output in one turn; then others of the loop have theirs. Processors that write
    /// without end would hold it for ever.
    static var turnLimit: Int { 16 }

    /// Writes what the port has buffered until it would have to wait, and then waits on `loop`.
    func flush(_ port: Serial, waitingOn loop: EventLoop?) {
        // Without a loop there is no other turn, and no more than what is there by now.
        let limit = loop == nil ? Serial.outputLimit : Self.turnLimit
        state.withLock { state in
            for _ in 0..<limit {
                guard let chunk = port.nextOutput() else { return unwatchOutput(&state, loop) }
                do throws(Errno) {
                    port.didOutput(try output.writeIfReady(chunk[...]))
                } catch .again {
                    watchOutput(port, &state, loop)
                    return
                } catch .interrupted {
                    continue
                } catch {
                    port.drop(chunk.count)
                }
            }
            if loop != nil { port.flushAgain() }
        }
    }

    private func watchOutput(_ port: Serial, _ state: inout State, _ loop: EventLoop?) {
        guard !state.isWriting, let loop else { return }
        state.isWriting = true
        try? loop.add(output.rawValue, .writable) { _ in self.flush(port, waitingOn: loop) }
    }

    private func unwatchOutput(_ state: inout State, _ loop: EventLoop?) {
        guard state.isWriting, let loop else { return }
        state.isWriting = false
        loop.remove(output.rawValue)
    }

    // MARK: Input

    func startInput(_ port: Serial, on loop: EventLoop) {
        guard input.rawValue >= 0 else { return }
        state.withLock { state in
            state.loop = loop
            startReading(port, &state)
        }
    }

    /// The guest has read: there may be room again.
    func resumeInput(_ port: Serial) {
        guard isFull.load(ordering: .relaxed),
            isFull.exchange(false, ordering: .acquiringAndReleasing)
        else { return }
        state.withLock { startReading(port, &$0) }
    }

    private func startReading(_ port: Serial, _ state: inout State) {
        guard let loop = state.loop, !state.inputEnded, !state.isReading else { return }
        guard watchesInput else {
            pump(port, &state)
            return
        }
        state.isReading = true
        try? loop.add(input.rawValue, .readable) { _ in
            self.state.withLock { self.pump(port, &$0) }
        }
    }

    private func stopReading(_ state: inout State) {
        guard state.isReading, let loop = state.loop else { return }
        state.isReading = false
        loop.remove(input.rawValue)
    }

    /// Reads as much as the guest has room for: once if watched, else until it is full.
    private func pump(_ port: Serial, _ state: inout State) {
        repeat {
            guard port.inputRoom > 0 else {
                stopReading(&state)
                isFull.store(true, ordering: .sequentiallyConsistent)
                // The guest may have read in between, and will not again.
                guard port.inputRoom > 0, isFull.exchange(false, ordering: .acquiringAndReleasing)
                else { return }
                startReading(port, &state)
                return
            }
            var bytes = [UInt8](repeating: 0, count: port.inputRoom)
            do throws(Errno) {
                let count = try input.read(into: &bytes)
                state.inputEnded = count == 0
                port.receive(bytes[..<count])
            } catch .again {
                return
            } catch .interrupted {
                continue
            } catch {
                state.inputEnded = true
            }
        } while !watchesInput && !state.inputEnded
        if state.inputEnded { stopReading(&state) }
    }

    /// Watches nothing any more.
    func stop(_ loop: EventLoop) {
        state.withLock { state in
            stopReading(&state)
            unwatchOutput(&state, loop)
            state.loop = nil
        }
    }
}

extension Serial {
    /// At most 4,096 bytes of buffered output, or nil once there is none.
    func nextOutput() -> [UInt8]? {
        shared.withLock { shared in
            guard !shared.output.isEmpty else {
                shared.isFlushing = false
                return nil
            }
            return Array(shared.output.prefix(4096))
        }
    }

    /// `count` bytes of the buffered output were written.
    func didOutput(_ count: Int) {
        shared.withLock { $0.output.removeFirst(min(count, $0.output.count)) }
    }

    /// `count` bytes of the buffered output cannot be written, and are lost.
    func drop(_ count: Int) {
        didOutput(count)
        shared.withLock { shared in
            shared.dropped &+= UInt64(count)
            shared.counts.failures &+= 1
        }
    }
}

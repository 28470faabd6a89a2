// SPDX-License-Identifier: Apache-2.0
import Linux

/// Bytes on their way to a descriptor of ours whose reader may be slow; never waits for it.
package struct OutputQueue {
    /// Bytes beyond which nothing more should be taken from the guest.
    package static var limit: Int { 1 << 20 }
    /// What a pipe, socket or terminal that polls writable takes without waiting. pipe(7).
    private static var piece: Int { 4096 }

    package let descriptor: CInt
    private let pieceLimit: Int
    private var chunks: [[UInt8]] = []
    /// Bytes of the first chunk that are written.
    private var written = 0
    package private(set) var count = 0
    /// Why no more can be written; ``Linux/Errno/brokenPipe``: nobody reads any more.
    package private(set) var failure: Errno?

    package init(_ descriptor: CInt) {
        self.descriptor = descriptor
        pieceLimit = FileSystem.isRegularFile(descriptor) ? .max : Self.piece
    }

    package var isFull: Bool { count >= Self.limit }
    package var isBroken: Bool { failure != nil }

    package mutating func append(_ bytes: [UInt8]) {
        guard !isBroken, !bytes.isEmpty else { return }
        chunks.append(bytes)
        count += bytes.count
    }

    package func register(in set: inout PollSet) {
        if count > 0 { set.add(descriptor, .writable) }
    }

    /// Writes as long as that need not wait.
    package mutating func flush() {
        while count > 0, !isBroken, isReady {
            let end = min(chunks[0].count - written, pieceLimit) + written
            do throws(Errno) {
                let taken = try Stream.write(chunks[0][written..<end], to: descriptor)
                written += taken
                count -= taken
            } catch .interrupted, .again {
                return
            } catch {
                failure = error
                chunks.removeAll()
                count = 0
                return
            }
            if written == chunks[0].count {
                chunks.removeFirst()
                written = 0
            }
        }
    }

    /// Writes all, however long it takes.
    package mutating func drain() {
        while count > 0, !isBroken {
            var set = PollSet()
            register(in: &set)
            set.wait()
            flush()
        }
    }

    private var isReady: Bool {
        guard pieceLimit == Self.piece else { return true }
        var set = PollSet()
        set.add(descriptor, .writable)
        set.wait(milliseconds: 0)
        return set.isWritable(descriptor)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// Copies a tree, in a process of its own: files may keep whoever touches them waiting, and the
/// first process must not wait.
struct TreeService: ~Copyable {
    private let socket: Descriptor
    private var decoder: FrameDecoder

    /// Does what `request` asks for on the channel's socket, which waits, and ends this process.
    /// `outgoing` is what had to be sent before.
    static func serve(
        _ request: Frame, on number: Int32, _ outgoing: Outgoing, with decoder: FrameDecoder
    ) -> Never {
        guard let socket = Descriptor(number) else { guest_exit(1) }
        var outgoing = outgoing
        guard outgoing.flush(to: socket) == 0 else { guest_exit(1) }
        var service = TreeService(socket: socket, decoder: decoder)
        switch request {
        case .sendTree(let path): service.send(TreeReader(path: path))
        case .sendArchive(let path): service.send(TreeReader(path: path, tellsSizes: true))
        case .takeTree(let destination): service.take(destination, TreePolicy())
        case .takeArchive(let destination):
            var policy = TreePolicy()
            policy.takesHardLinks = true
            service.take(destination, policy)
        default: break
        }
        guest_exit(0)
    }

    private init(socket: consuming Descriptor, decoder: FrameDecoder) {
        self.socket = socket
        self.decoder = decoder
    }

    private mutating func send(_ reader: TreeReader) {
        var bytes: [UInt8] = []
        while !reader.isComplete {
            var fault: TreeFault?
            do throws(TreeFault) {
                try reader.read(into: &bytes)
            } catch {
                fault = error
            }
            guard write(bytes) else { return }
            bytes.removeAll(keepingCapacity: true)
            if let fault { return answer(.treeFault(fault)) }
        }
        // The host hangs up when it has all of it.
        awaitEnd()
    }

    private mutating func take(_ destination: TreeDestination, _ policy: TreePolicy) {
        let writer = TreeWriter(destination, policy: policy)
        do throws(TreeFault) {
            while !writer.isComplete {
                guard let frame = nextFrame() else { return }
                switch frame {
                case .entry(let entry): try writer.take(entry)
                case .data(let data): try writer.take(data)
                case .endOfEntry: try writer.end()
                default: throw TreeFault(.order)
                }
            }
        } catch {
            return answer(.treeFault(error))
        }
        answer(.done)
    }

    /// The next frame; nil if the host is gone or sends none.
    private mutating func nextFrame() -> Frame? {
        while true {
            do throws(FrameError) {
                if let frame = try decoder.next() { return frame }
            } catch {
                return nil
            }
            guard receive() else { return nil }
        }
    }

    private mutating func receive() -> Bool {
        let number = socket.number
        while true {
            let count = decoder.fill { span, start in
                Int(guest_read(number, &span, Int32(clamping: start), Int32.max))
            }
            if count > 0 { return true }
            guard Errno.isTransient(Int32(clamping: count)) else { return false }
        }
    }

    private mutating func answer(_ frame: Frame) {
        guard let bytes = try? frame.encoded(), write(bytes) else { return }
        awaitEnd()
    }

    /// Reads, and forgets, until the host hangs up: a connection that ends with something unread
    /// may lose what was said last.
    private mutating func awaitEnd() {
        var block = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = socket.read(into: &block, from: 0, limit: block.count)
            guard count > 0 || Errno.isTransient(count) else { return }
        }
    }

    private func write(_ bytes: [UInt8]) -> Bool {
        var start = 0
        while start < bytes.count {
            let count = socket.write(bytes, start..<bytes.count)
            guard count > 0 || Errno.isTransient(count) else { return false }
            start += Int(max(count, 0))
        }
        return true
    }
}

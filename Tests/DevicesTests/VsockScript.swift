// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Virtio

@testable import Devices

/// A guest and programs of the host whose every step is a byte of somebody else's choice.
enum VsockScript {
    /// Answers what is wrong afterwards, or nil.
    static func run(_ bytes: [UInt8], path: String, memory: GuestMemory) throws -> String? {
        let driver = try TestDriver(Vsock(guestCID: 3, path: path), memory: memory)
        let listener = try UnixSocket.listen(at: "\(path)_1")
        defer { UnixSocket.remove("\(path)_1") }
        let host = HostSide(path: path, listener: listener.rawValue)
        var script = DeviceScript(bytes)
        let wrong = script.run(
            driver, packet: { packet(&$0, at: $1, in: memory) }, host: { host.step(&$0) })
        let left = driver.transport.withDevice { $0.table.count }
        guard left <= VsockTable.limit else { return "\(left) connections" }
        return wrong
    }

    /// A packet that is right in most fields; answers its length.
    private static func packet(
        _ script: inout DeviceScript, at address: GuestAddress, in memory: GuestMemory
    ) -> UInt32 {
        var header = VsockHeader()
        let oddities = script.byte()
        header.sourceCID = oddities & 7 == 7 ? UInt64(script.byte()) : 3
        header.destinationCID = oddities & 0x38 == 0x38 ? UInt64(script.byte()) : 2
        header.sourcePort = UInt32(script.byte() % 4)
        header.destinationPort = oddities & 0x40 == 0 ? 1 : (1 << 30) + UInt32(script.byte() % 8)
        header.type = oddities & 0x80 != 0 && script.byte() & 7 == 0 ? script.half() : 1
        header.operation = UInt16(script.byte() % 9)
        header.flags = UInt32(script.byte() & 7)
        let count = UInt32(script.half())
        header.length = script.byte() & 15 == 0 ? script.word() : count
        header.bufferSize = script.byte() & 1 == 0 ? 1 << 18 : script.word()
        header.forwarded = script.byte() & 7 == 0 ? script.word() : 0
        try? memory.store(header, at: address)
        return 44 + count
    }

    /// Programs of the host.
    private final class HostSide {
        let path: String
        let listener: CInt
        var sockets: [VsockGuest.Peer] = []

        init(path: String, listener: CInt) {
            self.path = path
            self.listener = listener
        }

        func step(_ script: inout DeviceScript) {
            let choice = script.byte() % 8
            switch choice {
            case 0 where sockets.count < 32:
                guard let socket = try? UnixSocket.connect(to: path) else { return }
                let peer = VsockGuest.Peer(socket)
                peer.send("CONNECT \(script.byte() % 4)\n")
                sockets.append(peer)
            case 1 where sockets.count < 32:
                guard let socket = try? UnixSocket.accept(on: listener) else { return }
                sockets.append(VsockGuest.Peer(socket))
            default:
                guard !sockets.isEmpty else { return }
                let index = Int(script.byte()) % sockets.count
                switch choice {
                case 2, 3: sockets[index].send([UInt8](repeating: 5, count: Int(script.half())))
                case 4: _ = sockets[index].bytes(limit: Int(script.half()) + 1)
                case 5: sockets[index].shutdown(.writing)
                case 6: sockets[index].shutdown(.reading)
                default: sockets.remove(at: index).close()
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Devices
import Linux
import Memory
import Support
import Virtio

/// The socket device beside a plain copy loop over a Unix socket: both take turns in one run, the
/// medians are compared. One thread plays guest, device and the program of the host.
@main enum Bench {
    static let rounds = 600
    /// Packets a round.
    static let batch = 32

    static func main() throws {
        print("                                    ours         plain    ratio  mallocs/packet")
        for size in [64 << 10, 4 << 10] {
            let rig = try Rig(packetSize: size)
            report("to host, \(size) bytes", size, rig.toHost, rig.plain)
            report("to guest, \(size) bytes", size, rig.toGuest, rig.plain)
        }
    }

    private static func report(
        _ name: String, _ size: Int, _ ours: (Int) -> UInt64, _ plain: (Int) -> UInt64
    ) {
        var our: [UInt64] = []
        var their: [UInt64] = []
        var allocations: Int = 0
        for round in 0..<rounds {
            let before = allocationCount()
            our.append(ours(batch))
            if round >= rounds / 2 { allocations += allocationCount() - before }
            their.append(plain(batch))
        }
        our.sort()
        their.sort()
        let (mine, other) = (our[rounds / 2], their[rounds / 2])
        let perPacket = Double(allocations) / Double(rounds / 2 * batch)
        print(
            pad(name, 30), pad(rate(size, mine), 13, left: true),
            pad(rate(size, other), 13, left: true),
            pad("\(Double(other * 1000 / max(mine, 1)) / 1000)", 8, left: true),
            pad("\(perPacket)", 8, left: true))
    }

    private static func rate(_ size: Int, _ time: UInt64) -> String {
        "\((Double(size * batch * 8) / Double(time) * 10).rounded() / 10) Gb/s"
    }

    private static func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return left ? space + text : text + space
    }
}

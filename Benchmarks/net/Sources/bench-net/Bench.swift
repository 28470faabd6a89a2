// SPDX-License-Identifier: Apache-2.0
import Linux
import Support

/// The network device beside a bare loop on the same TAP device: both take turns in one run, the
/// medians are compared. One thread plays guest and device.
@main enum Bench {
    static let rounds = 600

    static func main() throws {
        print("                                    ours         bare    ratio  mallocs/frame")
        for (size, batch) in [(65_014, 14), (1514, 200)] {
            let rig = try Rig(frameSize: size, batch: batch)
            report("to host", size, batch, rig.transmit, rig.bareTransmit)
            report("to guest", size, batch, rig.receive, rig.bareReceive)
        }
    }

    private static func report(
        _ name: String, _ size: Int, _ batch: Int, _ ours: () -> UInt64, _ bare: () -> UInt64
    ) {
        var our: [UInt64] = []
        var their: [UInt64] = []
        var allocations: Int = 0
        for round in 0..<rounds {
            let before = allocationCount()
            let time = ours()
            if round >= rounds / 2 { allocations += allocationCount() - before }
            our.append(time)
            their.append(bare())
        }
        our.sort()
        their.sort()
        let (mine, plain) = (our[rounds / 2], their[rounds / 2])
        let perFrame = Double(allocations) / Double(rounds / 2 * batch)
        print(
            pad("\(name), \(size) bytes", 30), pad(rate(size, batch, mine), 13, left: true),
            pad(rate(size, batch, plain), 12, left: true),
            pad("\(Double(plain * 1000 / max(mine, 1)) / 1000)", 8, left: true),
            pad("\(perFrame)", 8, left: true))
    }

    /// Gb/s for large frames, thousands a second for small ones.
    private static func rate(_ size: Int, _ batch: Int, _ time: UInt64) -> String {
        let seconds = Double(time) / 1e9
        if size > 10_000 {
            return "\((Double(size * batch * 8) / seconds / 1e8).rounded() / 10) Gb/s"
        }
        return "\((Double(batch) / seconds / 1e3).rounded()) k/s"
    }

    private static func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - text.count))
        return left ? space + text : text + space
    }
}

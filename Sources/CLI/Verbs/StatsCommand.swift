// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet stats`: what machines use.
struct StatsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Show what machines use of the host.",
        discussion: """
            A table that is renewed each second on a terminal, and printed once elsewhere. CPU is \
            of one processor, memory the machine's share (PSS) of the host's and what its guest \
            has; EXITS counts how often the guest was left for a device.

            Examples:
              swiftlet stats
              swiftlet stats --once web
              swiftlet stats --json | jq '.[].memory_pss_bytes'
            """)

    @Flag(help: "Print the table once.")
    var once = false

    @Flag(help: "Print JSON, once.")
    var json = false

    @Argument(
        help: "Machines by name or identifier; all that run without.",
        completion: .shellCommand("swiftlet ps --names"))
    var machines: [String] = []

    /// Between two looks, in milliseconds.
    private static var period: CInt { 1000 }

    func perform() throws(ClientError) -> CInt {
        var earlier = try look()
        let isLive = !once && !json && Terminal.isTerminal(1)
        repeat {
            var set = PollSet()
            set.wait(milliseconds: Self.period)
            let now = try look()
            let text = json ? Self.json(now, since: earlier) : Self.table(now, since: earlier)
            // To the corner, and away with what is below.
            let start = isLive ? "\u{1b}[H\u{1b}[J" : ""
            CurrentProcess.writeAll(Array((start + text).utf8), to: 1)
            earlier = now
        } while isLive
        return 0
    }

    private typealias Look = [(record: MachineRecord, usage: MachineUsage)]

    private func look() throws(ClientError) -> Look {
        let store = try MachineStore.standard()
        var look: Look = []
        guard machines.isEmpty else {
            for reference in machines {
                let machine = try store.machine(reference)
                look.append((machine.record, try MachineUsage(of: machine)))
            }
            return look
        }
        for machine in try store.machines() {
            // It may end, or not have begun.
            if let usage = try? MachineUsage(of: machine) { look.append((machine.record, usage)) }
        }
        return look
    }

    private static func load(_ id: String, _ usage: MachineUsage, since earlier: Look) -> UInt64 {
        earlier.first { $0.record.id == id }.map { usage.load(since: $0.usage) } ?? 0
    }

    private static func table(_ look: Look, since earlier: Look) -> String {
        var table = Table(
            "ID", "NAME", "CPU", "MEM (PSS) / GUEST", "NET IN / OUT", "BLOCK R / W", "EXITS")
        for (record, usage) in look {
            table.add(
                record.id, record.name, Wording.percent(load(record.id, usage, since: earlier)),
                (usage.memory.map(Wording.bytes) ?? "-") + " / "
                    + Wording.bytes(record.memory << 20),
                Wording.bytes(usage.received) + " / " + Wording.bytes(usage.sent),
                Wording.bytes(usage.read) + " / " + Wording.bytes(usage.written),
                "\(usage.exits)")
        }
        return table.text
    }

    private static func json(_ look: Look, since earlier: Look) -> String {
        let objects = look.map { record, usage in
            JSON.object([
                ("id", .string(record.id)), ("name", .string(record.name)),
                ("cpu_ns", .integer(usage.processor)),
                ("cpu_percent", JSON(.real(Double(load(record.id, usage, since: earlier)) / 10))),
                ("memory_pss_bytes", usage.memory.map { .integer($0) }),
                ("memory_limit_bytes", .integer(record.memory << 20)),
                ("net_rx_bytes", .integer(usage.received)),
                ("net_tx_bytes", .integer(usage.sent)),
                ("block_read_bytes", .integer(usage.read)),
                ("block_write_bytes", .integer(usage.written)), ("exits", .integer(usage.exits)),
            ])
        }
        return JSON.array(objects).text + "\n"
    }
}

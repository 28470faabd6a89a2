// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Linux

/// `swiftlet logs`: what a machine's command has written.
struct LogsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print what a detached machine's command has written.",
        discussion: """
            What it wrote to its error output comes on ours. The last 8 to 16 MiB are kept.

            Examples:
              swiftlet logs web
              swiftlet logs --follow --tail 20 web
              swiftlet logs --timestamps web 2>/dev/null
            """)

    @Flag(name: .shortAndLong, help: "Go on until the machine ends.")
    var follow = false

    @Flag(name: .shortAndLong, help: "Begin each line with its time (UTC).")
    var timestamps = false

    @Option(name: [.customShort("n"), .long], help: "Only so many of the last lines.")
    var tail: Int?

    @Flag(help: "Print JSON: an object for each piece that was written, one a line.")
    var json = false

    @OptionGroup var target: MachineArgument

    func validate() throws {
        if let tail, tail < 0 {
            throw ValidationError("A log has no \(tail) last lines; give 0 or more.")
        }
    }

    func perform() throws(ClientError) -> CInt {
        let machine = try target.find()
        let hold = MachineHold.take(machine)
        defer { hold?.release() }
        var printer = LogPrinter(timestamps: timestamps, json: json)
        do throws(Errno) {
            var reader = try MachineLogReader(in: machine.directory)
            guard follow else {
                try printPresent(&reader, &printer)
                return 0
            }
            // Before the first look, so that nothing is written unseen.
            var watch = MachineWatch(machine)
            try printPresent(&reader, &printer)
            var isRead = true
            while isRead {
                // What was written before its end is there once it is seen to have ended.
                let isAlive = machine.isAlive
                while let record = try reader.next() { printer.print(record) }
                guard isAlive else { break }
                isRead = watch.wait(whileReading: 1)
            }
        } catch {
            throw machine.error(.system, "has a log that cannot be read: \(error)")
        }
        return 0
    }

    private func printPresent(
        _ reader: inout MachineLogReader, _ printer: inout LogPrinter
    ) throws(Errno) {
        guard let tail else {
            while let record = try reader.next() { printer.print(record) }
            return
        }
        var last = LogTail(lines: tail)
        while let record = try reader.next() { last.add(record) }
        for record in last.records { printer.print(record) }
    }
}

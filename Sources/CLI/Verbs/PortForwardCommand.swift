// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet port-forward`: TCP ports of this host that lead to ports of a machine.
struct PortForwardCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "port-forward",
        abstract: "Let TCP ports of this host lead to ports of a machine that runs.",
        usage: "swiftlet port-forward <machine> [<host>:]<port>:<guest-port> ...",
        discussion: """
            Connections go through the machine's vsock to its own address (127.0.0.1, else ::1): \
            the guest needs no network. HOST is a numeric address, without it 127.0.0.1; with 0 \
            for PORT the kernel chooses one. PORT alone stands for PORT:PORT. Each rule is printed \
            as it holds. At most 128 connections are served at a time, and further ones wait.

            It goes on until Ctrl-C, SIGTERM or SIGHUP, or until the machine ends.

            Examples:
              swiftlet port-forward web 8080:80
              swiftlet port-forward db 5432 0.0.0.0:9100:9100
              swiftlet port-forward web 0:80 '[::1]:8080:80'
              swiftlet port-forward --json web 0:80 | jq --unbuffered .port

            Exit status: 0 after a signal; 125 if a port cannot be had, or when the machine ends.
            """)

    @Flag(help: "Print JSON: an object for each rule, one a line.")
    var json = false

    @OptionGroup var target: MachineArgument

    @Argument(help: "Ports of this host, and where they lead.")
    var rules: [String]

    func perform() throws(ClientError) -> CInt {
        var parsed: [ForwardRule] = []
        for rule in rules { parsed.append(try ForwardRule(rule)) }
        let machine = try target.find()
        // Throws what there is to say if nobody can be reached.
        _ = try machine.agent()
        guard let socket = machine.state?.vsock else {
            throw machine.error(.machineEnded, "is not running")
        }
        let life = try machine.supervisor()
        Signal.pipe.ignore()
        let forward = try PortForward(parsed, by: socket)
        let interruption = try Interruption()
        for rule in forward.rules {
            let line =
                json
                ? Self.object(rule, machine.record).text
                : "\(rule.place) -> \(machine.record.name):\(rule.guestPort)"
            CurrentProcess.writeAll(Array("\(line)\n".utf8), to: 1)
        }
        try serve(forward, life, interruption)
        return 0
    }

    private static func object(_ rule: ForwardRule, _ record: MachineRecord) -> JSON {
        .object([
            ("id", .string(record.id)), ("name", .string(record.name)),
            ("address", .string(rule.address)), ("port", .integer(rule.port)),
            ("guest_port", .integer(rule.guestPort)),
        ])
    }

    /// Sentences about connections that could not be passed on, each once: a guest can fail in more
    /// ways than anybody reads.
    private static var tellLimit: Int { 16 }

    /// Returns after a signal; throws when the machine ends.
    private func serve(
        _ forward: PortForward, _ life: borrowing ProcessHandle, _ interruption: Interruption
    ) throws(ClientError) {
        var told: Set<PortForward.Failure> = []
        while true {
            var set = PollSet()
            set.add(interruption.descriptor, .readable)
            set.add(life.descriptor.rawValue, .readable)
            forward.register(in: &set)
            set.wait(milliseconds: forward.milliseconds)
            if interruption.hasCome { return }
            if set.isReadable(life.descriptor.rawValue) {
                throw ClientError(.machineEnded, "the machine \(target.machine) has ended")
            }
            for failure in forward.serve()
            where told.count < Self.tellLimit && told.insert(failure).inserted {
                CurrentProcess.complain(
                    "swiftlet: port \(failure.guestPort) in the guest: \(failure.reason)\n")
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// What has become of a detached machine. Its supervisor writes it; after the supervisor's sudden
/// end, whoever looks first.
package struct MachineState: Hashable, Sendable {
    package enum Phase: String, CaseIterable, JSONReadable, Sendable {
        /// The guest boots; nothing was promised to anybody.
        case starting
        /// Its command has been started; without one, others can start theirs.
        case running
        /// Command and machine have ended.
        case ended
    }

    package var phase = Phase.starting
    package var supervisor: ProcessIdentity
    package var monitor: ProcessIdentity?
    /// Name of the monitor's vsock socket, see ``DetachedMachine/connect(port:)``.
    package var vsock: String?
    /// Name of the monitor's API socket.
    package var api: String?
    /// When its command was started, in nanoseconds since 1970.
    package var started: UInt64?
    /// When it ended, in nanoseconds since 1970.
    package var ended: UInt64?
    /// The exit status that `swiftlet run` would have had.
    package var status: Int32?
    /// Why the machine ended, if its command did not end.
    package var message: String?

    package init(supervisor: ProcessIdentity) { self.supervisor = supervisor }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(open: json)
        phase = try fields.require("phase")
        supervisor = try fields.require("supervisor") { json throws(JSONError) in
            try ProcessIdentity(json: json)
        }
        monitor = try fields.optional("monitor") { json throws(JSONError) in
            try ProcessIdentity(json: json)
        }
        vsock = try fields.optional("vsock", as: JSON.asString)
        api = try fields.optional("api", as: JSON.asString)
        started = try fields.optional("started_ns")
        ended = try fields.optional("ended_ns")
        status = try fields.optional("status")
        message = try fields.optional("message", as: JSON.asString)
    }

    package var json: JSON { .object(members) }

    package var members: [(String, JSON?)] {
        [
            ("phase", .string(phase.rawValue)), ("supervisor", supervisor.json),
            ("monitor", monitor?.json), ("vsock", vsock.map(JSON.string)),
            ("api", api.map(JSON.string)), ("started_ns", started.map { .integer($0) }),
            ("ended_ns", ended.map { .integer($0) }), ("status", status.map { .integer($0) }),
            ("message", message.map(JSON.string)),
        ]
    }

    /// How it ends when its supervisor is killed: the machine with it, and nobody to say more.
    package mutating func endBySupervisorsDeath(at time: UInt64) {
        phase = .ended
        ended = time
        status = 128 + Signal.kill.rawValue
        message = "its supervisor was killed"
    }
}

extension ProcessIdentity {
    fileprivate init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(open: json)
        self.init(
            number: try fields.require("pid"),
            start: try fields.require("start_ticks"))
    }

    fileprivate var json: JSON {
        .object([("pid", .integer(number)), ("start_ticks", .integer(start))])
    }
}

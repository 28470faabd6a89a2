// SPDX-License-Identifier: Apache-2.0
import Agent
import Control
import Linux

/// A machine that goes on without the command that made it, by way of its directory.
///
/// Its supervisor holds a lock on the file `life` in it as long as it lives. So whether the machine
/// lives is what the kernel says, not what a file says that may be old.
public struct DetachedMachine: Sendable {
    /// How far it has come.
    public enum Status: Hashable, Sendable {
        case starting
        case running
        case paused
        /// With the exit status that `swiftlet run` would have had.
        case ended(Int32)
    }

    public let record: MachineRecord
    let store: MachineStore

    package var id: String { record.id }
    /// Where its files are.
    package var directory: String { store.path + "/" + record.id }

    init(record: MachineRecord, store: MachineStore) {
        self.record = record
        self.store = store
    }

    /// The names of its files.
    enum File {
        static var life: String { "life" }
        static var record: String { "machine.json" }
        static var state: String { "state.json" }
        /// Room on the disk for the last word about the machine.
        static var reserve: String { "reserve" }
        /// Locked by those who still read what there is of a machine that is to go.
        static var readers: String { "readers" }
    }
}

// MARK: What it is

extension DetachedMachine {
    /// The machine `id` of `store`; nil: there is none, or it is not whole.
    init?(_ id: String, of store: MachineStore) {
        guard let bytes = try? PrivateDirectory(store.path + "/" + id).read(File.record),
            let record = Self.record(bytes)
        else { return nil }
        self.init(record: record, store: store)
    }

    static func record(_ bytes: [UInt8]) -> MachineRecord? {
        (try? JSONParser.parse(bytes)).flatMap { try? MachineRecord(json: $0) }
    }

    static func state(_ bytes: [UInt8]) -> MachineState? {
        (try? JSONParser.parse(bytes)).flatMap { try? MachineState(json: $0) }
    }

    /// What its supervisor has said last; nil: nothing yet, or the machine was removed.
    package var state: MachineState? {
        guard let bytes = try? PrivateDirectory(directory).read(File.state) else { return nil }
        return Self.state(bytes)
    }

    static func write(
        _ state: MachineState, in directory: borrowing PrivateDirectory
    ) throws(Errno) {
        let bytes = state.json.bytes
        do throws(Errno) {
            try directory.write(bytes, to: File.state)
        } catch {
            guard state.phase == .ended else { throw error }
            // A full disk must not hide how it ended.
            try? directory.remove(file: File.reserve)
            try directory.write(bytes, to: File.state)
        }
    }

    /// Whether its supervisor lives. If that cannot be known, it does.
    package var isAlive: Bool {
        do throws(Errno) {
            return try Self.isHeld(PrivateDirectory(directory))
        } catch {
            return error != .noEntry
        }
    }

    /// Whether somebody holds the lock that says that the machine in `directory` lives.
    static func isHeld(_ directory: borrowing PrivateDirectory) throws(Errno) -> Bool {
        try directory.lock(File.life, .shared, makes: false) == nil
    }

    /// How far it has come, now.
    public var status: Status { status(of: state) }

    /// As ``status``, with a state that was just read.
    package func status(of state: MachineState?) -> Status {
        guard isAlive else { return .ended(self.state?.status ?? 128 + Signal.kill.rawValue) }
        switch state?.phase {
        case nil, .starting: return .starting
        case .running, .ended:
            // One that does not answer must not hold up a list of all.
            let api = state?.api.map { MonitorAPI(socket: $0, seconds: 2) }
            let isPaused = (try? api?.isPaused) ?? false
            return isPaused ? .paused : .running
        }
    }

    /// An error about it, by the name that people know it by.
    package func error(_ kind: ClientError.Kind, _ text: String) -> ClientError {
        ClientError(kind, "the machine \(record.name) \(text)")
    }
}

// MARK: Reaching it

extension DetachedMachine {
    /// What its supervisor says while it lives; waits out the first moments, in which it says nothing.
    package func livingState() throws(ClientError) -> MachineState {
        let deadline = Clock.monotonic &+ 5_000_000_000
        while isAlive {
            if let state, state.phase != .ended { return state }
            guard Clock.monotonic < deadline else {
                throw error(.timedOut, "has not said anything of itself in five seconds")
            }
            var set = PollSet()
            set.wait(milliseconds: 10)
        }
        throw error(.machineEnded, "is not running")
    }

    /// The monitor's API.
    package func api() throws(ClientError) -> MonitorAPI { try api(try livingState()) }

    private func api(_ state: MachineState?) throws(ClientError) -> MonitorAPI {
        guard let name = state?.api else { throw error(.agent, "is still starting") }
        return MonitorAPI(socket: name)
    }

    /// A new connection to a port of the guest's, nonblocking, once a program there has taken it.
    ///
    /// Throws if the machine does not run, is paused, or nobody listens at that port.
    package func connect(port: UInt32) throws(ClientError) -> FileDescriptor {
        let state = try livingState()
        guard let name = state.vsock, state.phase == .running else {
            throw error(.agent, "is still starting")
        }
        guard try !api(state).isPaused else { throw error(.agent, "is paused; resume it first") }
        return try GuestConnection.open(port: port, by: name, of: self)
    }

    /// A new channel to the guest's agent.
    package func agent() throws(ClientError) -> AgentChannel {
        AgentChannel(try connect(port: AgentProtocol.agentPort))
    }

    /// Its supervisor's process.
    package func supervisor() throws(ClientError) -> ProcessHandle {
        guard let handle = try livingState().supervisor.open() else {
            throw error(.machineEnded, "is not running")
        }
        return handle
    }
}

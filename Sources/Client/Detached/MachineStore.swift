// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// The detached machines of this user: a directory for each, and no daemon.
///
/// Whoever makes or removes one holds the lock on the file `lock`. A directory comes to its name
/// whole, and leaves it at once; what a sudden end leaves half-made or half-removed has a name that
/// begins with a dot, and goes with the next look.
public struct MachineStore: Sendable {
    package let path: String

    /// In the directory at `path`, which need not be there yet.
    package init(path: String) { self.path = path }

    /// `$XDG_STATE_HOME/swiftlet/machines`, or the same below `~/.local/state`.
    public static func standard() throws(ClientError) -> MachineStore {
        // XDG Base Directory Specification 0.8: a relative path counts as none.
        if let state = CurrentProcess.environment("XDG_STATE_HOME"), state.hasPrefix("/") {
            return MachineStore(path: state + "/swiftlet/machines")
        }
        guard let home = CurrentProcess.environment("HOME"), home.hasPrefix("/") else {
            throw ClientError(
                .system,
                "there is no place for the state of machines: set HOME or XDG_STATE_HOME")
        }
        return MachineStore(path: home + "/.local/state/swiftlet/machines")
    }

    private enum Prefix {
        static var made: String { ".new-" }
        static var removed: String { ".gone-" }
    }
    private static var lock: String { "lock" }
    /// Bytes of disk that are kept for a machine's last word.
    private static var reserve: Int { 8 << 10 }
    /// How long one waits for others, in nanoseconds.
    private static var patience: UInt64 { 10_000_000_000 }
}

// MARK: Looking

extension MachineStore {
    /// All machines, the youngest first, once what is broken has been cleaned away.
    public func machines() throws(ClientError) -> [DetachedMachine] {
        guard let directory = try open() else { return [] }
        heal(directory)
        return all(directory)
    }

    /// The machine with this identifier or name, or the only one whose identifier begins so.
    public func machine(_ reference: String) throws(ClientError) -> DetachedMachine {
        let machines = try machines()
        if let machine = machines.first(where: { $0.id == reference }) { return machine }
        if let machine = machines.first(where: { $0.record.name == reference }) { return machine }
        let found = machines.filter { !reference.isEmpty && $0.id.hasPrefix(reference) }
        let shown = "\"" + JSONError.printable(reference) + "\""
        guard let machine = found.first else {
            throw ClientError(.badConfiguration, "no such machine: \(shown)")
        }
        guard found.count == 1 else {
            throw ClientError(
                .badConfiguration,
                "\(shown) is the beginning of \(found.count) machines: "
                    + found.map(\.id).sorted().joined(separator: ", "))
        }
        return machine
    }

    private func all(_ directory: borrowing PrivateDirectory) -> [DetachedMachine] {
        var machines: [DetachedMachine] = []
        for name in directory.names where MachineIdentifier.isValid(name) {
            if let machine = DetachedMachine(name, of: self) { machines.append(machine) }
        }
        return machines.sorted { ($1.record.created, $0.id) < ($0.record.created, $1.id) }
    }

    /// Nil: nothing was ever made.
    private func open() throws(ClientError) -> PrivateDirectory? {
        do throws(Errno) {
            return try PrivateDirectory(path)
        } catch .noEntry {
            return nil
        } catch {
            throw refusal(error)
        }
    }

    private func refusal(_ error: Errno) -> ClientError {
        let reason =
            error == .notPermitted ? "it is another user's, or others may write it" : "\(error)"
        return ClientError(
            .system, "the state directory \(path) cannot be used (XDG_STATE_HOME): \(reason)")
    }
}

// MARK: Changing

extension MachineStore {
    /// Makes the directory of a machine, and takes the lock that says it lives.
    ///
    /// - Parameters:
    ///   - name: Nil takes a free one.
    ///   - isTemporary: Whether it is to be removed when it ends.
    package func make(
        named name: String?, command: [String], arguments: [String] = [],
        isTemporary: Bool = false, _ configuration: MicroVM.Configuration
    ) throws(ClientError) -> MachineSeat {
        if let name, !MachineName.isValid(name) {
            throw ClientError(
                .badConfiguration,
                "\"\(JSONError.printable(name))\" is no name for a machine: it has 1 to 63 letters,"
                    + " digits, '_', '.' and '-', and begins with a letter or digit")
        }
        do throws(Errno) { try PrivateDirectory.make(path) } catch { throw refusal(error) }
        guard let directory = try open() else { throw refusal(.noEntry) }
        let lock = try lock(directory)
        defer { withExtendedLifetime(lock) {} }
        heal(locked: directory)
        let names = Dictionary(
            all(directory).map { ($0.record.name, $0.id) }, uniquingKeysWith: { first, _ in first })
        if let name, let id = names[name] {
            throw ClientError(
                .badConfiguration, "the name \(name) is taken by the machine \(id); rm it first")
        }
        let record = MachineRecord(
            id: MachineIdentifier.make(), name: name ?? MachineName.make(besides: Set(names.keys)),
            created: Clock.realtime, command: command, arguments: arguments,
            isTemporary: isTemporary, configuration)
        do throws(Errno) {
            return try make(record, directory)
        } catch {
            throw ClientError(
                .system, "the machine's directory cannot be made in \(path): \(error)")
        }
    }

    private func make(
        _ record: MachineRecord, _ directory: borrowing PrivateDirectory
    ) throws(Errno) -> MachineSeat {
        let draft = Prefix.made + record.id
        try directory.makeDirectory(draft)
        do throws(Errno) {
            let inner = try PrivateDirectory(path + "/" + draft)
            try inner.write(record.json.bytes, to: DetachedMachine.File.record)
            try inner.write(
                [UInt8](repeating: 0, count: Self.reserve), to: DetachedMachine.File.reserve)
            guard
                let life = try inner.lock(DetachedMachine.File.life, .exclusive, makes: true)
            else { throw .exists }
            try directory.rename(draft, to: record.id)
            return MachineSeat(DetachedMachine(record: record, store: self), life)
        } catch {
            try? directory.remove(directory: draft)
            throw error
        }
    }

    /// Removes a machine that has ended, and all that is kept of it.
    package func remove(_ machine: DetachedMachine) throws(ClientError) {
        guard let directory = try open() else { throw gone(machine) }
        let lock = try lock(directory)
        defer { withExtendedLifetime(lock) {} }
        guard hasEnded(machine) else {
            throw machine.error(.badConfiguration, "has not ended; stop it first")
        }
        let removed = Prefix.removed + machine.id
        do throws(Errno) {
            try directory.rename(machine.id, to: removed)
            try directory.remove(directory: removed)
        } catch .noEntry {
            // Another's look, or its own end, may have been first.
            if !machine.record.isTemporary { throw gone(machine) }
        } catch {
            throw machine.error(.system, "cannot be removed: \(error)")
        }
    }

    /// Whether its supervisor is gone. One that has written down its end soon will be; and a process that
    /// a thread beside it was starting has a copy of its lock for the moment until that is executed.
    private func hasEnded(_ machine: DetachedMachine) -> Bool {
        let deadline = Clock.monotonic &+ 1_000_000_000
        while machine.isAlive {
            guard machine.state?.phase == .ended, Clock.monotonic < deadline else { return false }
            var set = PollSet()
            set.wait(milliseconds: 5)
        }
        return true
    }

    /// Removes a machine whose end is written down and whose seat the caller holds, unless somebody
    /// still reads of it.
    func removeEnded(_ machine: DetachedMachine) {
        guard let directory = try? PrivateDirectory(path), let lock = try? lock(directory) else {
            return
        }
        defer { withExtendedLifetime(lock) {} }
        let readers = try? PrivateDirectory(machine.directory)
            .lock(DetachedMachine.File.readers, .exclusive, makes: true)
        guard let readers else { return }
        defer { withExtendedLifetime(readers) {} }
        let removed = Prefix.removed + machine.id
        // What fails here is left to the next look.
        try? directory.rename(machine.id, to: removed)
        try? directory.remove(directory: removed)
    }

    private func gone(_ machine: DetachedMachine) -> ClientError {
        machine.error(.badConfiguration, "has been removed meanwhile")
    }

    private func lock(_ directory: borrowing PrivateDirectory) throws(ClientError) -> FileLock {
        let deadline = Clock.monotonic &+ Self.patience
        while true {
            do throws(Errno) {
                if let lock = try directory.lock(Self.lock, .exclusive, makes: true) { return lock }
            } catch {
                throw refusal(error)
            }
            guard Clock.monotonic < deadline else {
                throw ClientError(
                    .timedOut, "another swiftlet holds \(path)/\(Self.lock) for too long")
            }
            var set = PollSet()
            set.wait(milliseconds: 5)
        }
    }
}

// MARK: Healing

extension MachineStore {
    /// What is found in the place of a machine.
    private enum Remains {
        /// Nothing to be done.
        case whole
        /// Its supervisor was killed while it ran.
        case orphaned(MachineState)
        /// It never came to be, or is on its way out.
        case broken
    }

    /// Cleans away what a sudden end has left. One that cannot is no reason not to look.
    private func heal(_ directory: borrowing PrivateDirectory) {
        let isWhole = directory.names.allSatisfy {
            if case .whole = remains($0) { true } else { false }
        }
        guard !isWhole, let lock = try? lock(directory) else { return }
        heal(locked: directory)
        withExtendedLifetime(lock) {}
    }

    private func heal(locked directory: borrowing PrivateDirectory) {
        for name in directory.names {
            switch remains(name) {
            case .whole: continue
            case .orphaned(var state):
                state.endBySupervisorsDeath(at: Clock.realtime)
                try? DetachedMachine.write(state, in: PrivateDirectory(path + "/" + name))
            case .broken: try? directory.remove(directory: name)
            }
        }
    }

    /// Only what is surely not there counts as missing: a process without a descriptor to spare
    /// must not take a machine for a dead one.
    private func remains(_ name: String) -> Remains {
        if name.hasPrefix(Prefix.made) || name.hasPrefix(Prefix.removed) { return .broken }
        guard MachineIdentifier.isValid(name) else { return .whole }
        do throws(Errno) {
            let inner = try PrivateDirectory(path + "/" + name)
            if try DetachedMachine.isHeld(inner) { return .whole }
            let record = try inner.read(DetachedMachine.File.record)
            let text = try inner.read(DetachedMachine.File.state)
            guard let record = record.flatMap(DetachedMachine.record), let text,
                let state = DetachedMachine.state(text)
            else { return .broken }
            if record.isTemporary, try !isRead(inner) { return .broken }
            switch state.phase {
            case .starting: return .broken
            case .running: return .orphaned(state)
            case .ended: return .whole
            }
        } catch .noEntry {
            return .broken
        } catch {
            return .whole
        }
    }

    /// Whether somebody wants what there is of the machine in `directory` to stay for now.
    private func isRead(_ directory: borrowing PrivateDirectory) throws(Errno) -> Bool {
        do throws(Errno) {
            return try directory.lock(DetachedMachine.File.readers, .exclusive, makes: false) == nil
        } catch .noEntry {
            return false
        }
    }
}

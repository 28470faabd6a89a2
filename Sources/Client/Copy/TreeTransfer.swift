// SPDX-License-Identifier: Apache-2.0
import Agent
import Control
import Linux

/// A tree of files on its way between this host and a guest.
///
/// The guest is not trusted: what it sends is written where it was asked for and nowhere else
/// (``Agent/TreeWriter``), and ends at a limit, or when nothing comes any more.
package struct TreeTransfer {
    /// Nanoseconds without a byte either way after which a guest is given up.
    package static var patience: UInt64 { 60_000_000_000 }
    /// Most files, directories and links of one copy.
    package static var entryLimit: UInt64 { 1 << 24 }
    /// Most bytes of one copy from a guest, unless told otherwise.
    package static var byteLimit: UInt64 { 64 << 30 }

    let channel: AgentChannel
    /// What the guest's paths are said to be in.
    let machine: String
    let isInterrupted: () -> Bool
    let interruption: CInt?

    /// - Parameters:
    ///   - channel: A channel on which nothing has been asked.
    ///   - machine: What people call the machine.
    ///   - interruption: Wakes the transfer so that it asks `isInterrupted`.
    package init(
        on channel: AgentChannel, of machine: String, interruption: CInt? = nil,
        isInterrupted: @escaping () -> Bool = { false }
    ) {
        self.channel = channel
        self.machine = machine
        self.interruption = interruption
        self.isInterrupted = isInterrupted
    }

    /// Copies the tree at `source` of this host to `destination` in the guest; nil: interrupted.
    package func send(
        _ source: String, to destination: TreeDestination
    ) throws(ClientError) -> CopySummary? {
        let path = Array(source.utf8)
        let reader = TreeReader(path: path)
        try channel.send(.takeTree(destination))
        // What is not there is said before the guest hears of anything.
        try read(reader)
        while true {
            if channel.waiting == 0, !reader.isComplete { try read(reader) }
            channel.flush()
            while let frame = try channel.next() {
                switch frame {
                case .done where reader.isComplete && channel.waiting == 0:
                    return CopySummary(
                        entries: reader.entryCount - reader.omittedCount, bytes: reader.byteCount,
                        omitted: reader.omittedCount)
                case .treeFault(let fault):
                    throw ClientError(.agent, message(fault, of: path, at: destination))
                default: try refuse(frame)
                }
            }
            if try isOver(hasMore: !reader.isComplete) { return nil }
        }
    }

    /// Copies the tree at `source` in the guest to `destination` on this host; nil: interrupted.
    package func receive(
        _ source: String, to destination: TreeDestination, byteLimit: UInt64, keepsSetID: Bool
    ) throws(ClientError) -> CopySummary? {
        try channel.send(.sendTree(path: Array(source.utf8)))
        channel.flush()
        let writer = TreeWriter(
            destination, policy: Self.policy(byteLimit: byteLimit, keepsSetID: keepsSetID))
        while true {
            while !writer.isComplete, let frame = try channel.next() {
                try take(frame, writer, source)
            }
            if writer.isComplete {
                return CopySummary(
                    entries: writer.entryCount - writer.omittedCount, bytes: writer.byteCount,
                    omitted: writer.omittedCount)
            }
            if try isOver() { return nil }
        }
    }

    /// What is taken from a guest.
    static func policy(byteLimit: UInt64, keepsSetID: Bool) -> TreePolicy {
        var policy = TreePolicy()
        policy.dropsSetID = !keepsSetID
        policy.followsLink = false
        policy.byteLimit = byteLimit
        policy.entryLimit = entryLimit
        return policy
    }

    private func read(_ reader: TreeReader) throws(ClientError) {
        do throws(TreeFault) {
            try channel.fill { (bytes: inout [UInt8]) throws(TreeFault) in
                try reader.read(into: &bytes)
            }
        } catch {
            throw ClientError(.system, error.message(Self.quoted(reader.currentPath)))
        }
    }

    private func take(
        _ frame: Frame, _ writer: TreeWriter, _ source: String
    ) throws(ClientError) {
        do throws(TreeFault) {
            switch frame {
            case .entry(let entry): return try writer.take(entry)
            case .data(let data): return try writer.take(data)
            case .endOfEntry: return try writer.end()
            default: break
            }
        } catch {
            let kind: ClientError.Kind = error.step == .order ? .agent : .system
            throw ClientError(kind, error.message(Self.quoted(writer.currentPath)))
        }
        try refuse(frame, at: path(in: source, writer.currentNames))
    }

    /// A path in the guest, for a message.
    func path(in source: String, _ names: [[UInt8]]) -> [UInt8] {
        TreeEntry.path(Array("\(machine):\(source)".utf8), names)
    }

    /// Throws for what ends a tree that comes, `path` being the entry at hand.
    func refuse(_ frame: Frame, at path: [UInt8]) throws(ClientError) {
        guard case .treeFault(let fault) = frame else { return try refuse(frame) }
        throw ClientError(.agent, fault.message(Self.quoted(path)))
    }

    /// What could not be made in the guest, by the name that it has here.
    private func message(
        _ fault: TreeFault, of source: [UInt8], at destination: TreeDestination
    ) -> String {
        guard fault.entry > 0 else {
            let path = Array("\(machine):".utf8) + destination.path
            return fault.message(Self.quoted(path))
        }
        let path = TreeReader.path(ofEntry: fault.entry, below: source)
        return fault.message("the guest's copy of \(Self.quoted(path))")
    }

    /// Throws for what does not belong here.
    func refuse(_ frame: Frame) throws(ClientError) {
        guard case .refused(let refusal) = frame else {
            throw AgentChannel.violation("frame \(frame.kind) in a tree")
        }
        switch refusal.reason {
        case .unknownKind:
            let isArchive = refusal.detail >= FrameKind.sendArchive.rawValue
            let what = isArchive ? "for archives" : "to copy files"
            throw ClientError(
                .agent, "the guest's agent is too old \(what); start the machine anew")
        case .busy: throw ClientError(.agent, "the guest does as much as it can hold already")
        default:
            throw ClientError(
                .agent, "the guest's agent refused to copy (reason \(refusal.reason.rawValue))")
        }
    }

    /// Waits for the guest, also until it takes more of what there is to send; or for the stream of
    /// an archive. True: interrupted.
    ///
    /// - Parameters:
    ///   - stream: A descriptor, and what it is to become ready for.
    ///   - awaitsGuest: Whether it is the guest's turn, which then has to answer in time.
    func isOver(
        hasMore: Bool = false, stream: (CInt, PollSet.Readiness)? = nil, awaitsGuest: Bool = true
    ) throws(ClientError) -> Bool {
        guard !channel.isClosed else {
            throw ClientError(.machineEnded, "the guest went away before all was copied")
        }
        let deadline = Clock.monotonic &+ Self.patience
        while true {
            var set = PollSet()
            let sends = hasMore || channel.waiting > 0
            set.add(channel.descriptor, sends ? [.readable, .writable] : .readable)
            if let interruption { set.add(interruption, .readable) }
            if let stream { set.add(stream.0, stream.1) }
            set.wait(milliseconds: 1000)
            if isInterrupted() { return true }
            if set.isReadable(channel.descriptor) { channel.receive() }
            if !set.readiness(of: channel.descriptor).isEmpty { return false }
            if let stream, !set.readiness(of: stream.0).isEmpty { return false }
            guard !awaitsGuest || Clock.monotonic < deadline else {
                throw ClientError(
                    .timedOut,
                    "the guest has not answered for \(Self.patience / 1_000_000_000) seconds")
            }
        }
    }

    static func quoted(_ path: [UInt8]) -> String {
        "\"" + JSONError.printable(String(decoding: path, as: UTF8.self), limit: 4096) + "\""
    }
}

// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux

// Trees as tar archives on streams of this host.
extension TreeTransfer {
    /// Writes the tree at `source` in the guest as an archive, in which it is called `name`; nil:
    /// interrupted, or nobody reads it any more.
    package func archive(
        _ source: String, as name: [UInt8], to descriptor: CInt, byteLimit: UInt64,
        keepsSetID: Bool
    ) throws(ClientError) -> CopySummary? {
        try channel.send(.sendArchive(path: Array(source.utf8)))
        channel.flush()
        let writer = TarWriter(
            root: name, policy: Self.policy(byteLimit: byteLimit, keepsSetID: keepsSetID))
        var output = OutputQueue(descriptor)
        while true {
            while !output.isFull {
                if let bytes = writer.next() {
                    output.append(bytes)
                } else {
                    guard !writer.isComplete, let frame = try channel.next() else { break }
                    try take(frame, writer, source)
                }
            }
            let wasFull = output.isFull
            output.flush()
            if let failure = output.failure {
                if failure == .brokenPipe { return nil }
                throw ClientError(.system, "cannot write the archive: \(failure)")
            }
            if wasFull {
                // The writer may have more, and frames may have come that are not looked at yet.
                if output.isFull ? awaitRoom(in: output) : isInterrupted() { return nil }
            } else if writer.isComplete {
                if output.count == 0 { return writer.summary }
                if awaitRoom(in: output) { return nil }
            } else {
                let reader: (CInt, PollSet.Readiness)? =
                    output.count > 0 ? (descriptor, .writable) : nil
                if try isOver(stream: reader, awaitsGuest: output.count == 0) { return nil }
            }
        }
    }

    /// Makes the members of the archive that comes from `input` in the directory `destination` of
    /// the guest; nil: interrupted.
    package func unpack(
        _ input: CInt, to destination: [UInt8]
    ) throws(ClientError) -> CopySummary? {
        let place = TreeDestination(path: destination, name: [], isContents: true)
        try channel.send(.takeArchive(place))
        var archive = TarReader()
        var tree = MemberTree(now: Int64(Clock.realtime / 1_000_000_000))
        var byteCount: UInt64 = 0
        /// The archive has come to its end, the stream to its, and the guest has all of it.
        var (isRead, isEnded, isDone) = (false, false, false)
        while true {
            var needsMore = isRead
            while !needsMore, channel.waiting < AgentChannel.sendLimit {
                guard let piece = try next(&archive) else {
                    needsMore = true
                    break
                }
                if case .data(let data) = piece { byteCount += UInt64(data.count) }
                isRead = piece == .end
                needsMore = isRead
                try send(piece, &tree)
            }
            channel.flush()
            while let frame = try channel.next() {
                switch frame {
                case .done where isRead && channel.waiting == 0: isDone = true
                case .treeFault(let fault): throw fail(fault, tree, at: destination)
                default: try refuse(frame)
                }
            }
            // Whoever writes the archive may have more to write than there is of it.
            if isDone, isEnded {
                return CopySummary(
                    entries: tree.entryCount - tree.omittedCount, bytes: byteCount,
                    omitted: tree.omittedCount)
            }
            guard needsMore || channel.waiting >= AgentChannel.sendLimit else { continue }
            let wantsInput = needsMore && !isEnded
            let isOver = try isOver(
                stream: wantsInput ? (input, .readable) : nil,
                awaitsGuest: channel.waiting > 0 || isRead && !isDone)
            if isOver { return nil }
            guard wantsInput, let bytes = try read(input) else { continue }
            isEnded = bytes.isEmpty
            if isEnded { archive.finish() } else if !isRead { archive.append(bytes) }
        }
    }

    private func take(
        _ frame: Frame, _ writer: TarWriter, _ source: String
    ) throws(ClientError) {
        do throws(TreeFault) {
            switch frame {
            case .entry(let entry): return try writer.take(entry)
            case .size(let size): return try writer.take(size: size)
            case .data(let data): return try writer.take(data)
            case .endOfEntry: return try writer.end()
            default: break
            }
        } catch {
            throw ClientError(
                .agent, error.message(Self.quoted(path(in: source, writer.currentNames))))
        }
        try refuse(frame, at: path(in: source, writer.currentNames))
    }

    /// Waits until whoever reads the archive takes more. True: interrupted.
    private func awaitRoom(in output: OutputQueue) -> Bool {
        var set = PollSet()
        output.register(in: &set)
        if let interruption { set.add(interruption, .readable) }
        set.wait(milliseconds: 1000)
        return isInterrupted()
    }

    private func next(_ archive: inout TarReader) throws(ClientError) -> TarReader.Piece? {
        do throws(TarFault) {
            return try archive.next()
        } catch {
            throw ClientError(.badConfiguration, error.message)
        }
    }

    private func send(_ piece: TarReader.Piece, _ tree: inout MemberTree) throws(ClientError) {
        do throws(FrameError) {
            try channel.fill { (bytes: inout [UInt8]) throws(FrameError) in
                switch piece {
                case .member(let member): try tree.add(member, into: &bytes)
                case .data(let data): try Frame.data(data).encode(into: &bytes)
                case .endOfFile: try Frame.endOfEntry.encode(into: &bytes)
                case .end: try tree.end(into: &bytes)
                }
            }
        } catch {
            throw ClientError(.badConfiguration, "the archive has a member that cannot travel")
        }
    }

    /// What there is to read; nil: nothing now.
    private func read(_ input: CInt) throws(ClientError) -> [UInt8]? {
        var set = PollSet()
        set.add(input, .readable)
        set.wait(milliseconds: 0)
        guard set.isReadable(input) else { return nil }
        do throws(Errno) {
            return try Stream.read(input, limit: AgentProtocol.payloadLimit)
        } catch .again, .interrupted {
            return nil
        } catch {
            throw ClientError(.system, "cannot read the archive: \(error)")
        }
    }

    private func fail(
        _ fault: TreeFault, _ tree: MemberTree, at destination: [UInt8]
    ) -> ClientError {
        let place: String
        if fault.entry == 0 {
            place = Self.quoted(Array("\(machine):".utf8) + destination)
        } else if let path = tree.path(ofEntry: fault.entry) {
            place = "the guest's copy of \(Self.quoted(path))"
        } else {
            place = "a file of the archive in the guest"
        }
        return ClientError(.agent, fault.message(place))
    }
}

extension TarWriter {
    fileprivate var summary: CopySummary {
        CopySummary(
            entries: entryCount - omittedCount, bytes: byteCount, omitted: omittedCount,
            shortened: shortenedCount)
    }
}

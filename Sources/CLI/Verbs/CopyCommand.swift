// SPDX-License-Identifier: Apache-2.0
import Agent
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet cp`: files between this host and a machine.
struct CopyCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "cp",
        abstract: "Copy files and directories to or from a machine that runs.",
        usage: "swiftlet cp [<options>] <source> <destination>",
        discussion: """
            One of the two is in a machine: MACHINE:PATH, from the guest's root. A file with a \
            colon in its name is ./a:b. The other may be '-': a tar archive on standard input or \
            output.

            As with 'cp -a': a directory comes whole; into a destination that is a directory it \
            comes under its own name, else it becomes the destination. SOURCE/. copies what is in \
            a directory, without itself. Permissions, times, symbolic links, and (for root) owners \
            by number are kept. Hard links become files of their own; devices, FIFOs and sockets \
            are left out.

            'cp - MACHINE:PATH' unpacks an archive (ustar, pax or GNU's) into the directory PATH, \
            which is made if its parent is there; its hard links stay what they are. Directories \
            that are there keep their permissions. \
            Slashes in front of its paths are dropped, and '..' is refused. A file called '-' is \
            './-'.

            What comes from a guest is written below the destination only. A symbolic link is \
            followed neither there nor as the destination itself; links that the guest has made \
            are copied, and may lead anywhere.

            Examples:
              swiftlet cp site/ web:/var/www
              swiftlet cp site/. web:/var/www
              swiftlet cp web:/var/log/messages .
              swiftlet cp web:/etc/nginx nginx.copy
              tar c site | swiftlet cp - web:/srv
              zstd -dc rootfs.tar.zst | swiftlet cp - web:/mnt
              swiftlet cp web:/var/log - | gzip > log.tar.gz

            Exit status: 0; 1 if devices and the like were left out, or a file of an archive \
            became shorter while it was read; 125 if something could not be copied; 130 after \
            Ctrl-C; 141 if nobody reads an archive any more.
            """)

    @Option(
        help: ArgumentHelp(
            "Most bytes to take from a guest: 128M, 6G, or a number of MiB.", valueName: "size"),
        transform: { try MemorySize($0, in: 1...1 << 30, of: "a copy", noun: "data") })
    var limit: MemorySize?

    @Flag(
        name: .customLong("keep-setid"),
        help: "Let files from a guest keep their set-user-ID and set-group-ID bits.")
    var keepsSetID = false

    @Flag(name: .shortAndLong, help: "Say on standard error how much was copied.")
    var verbose = false

    @Argument(help: "What is copied.", completion: .file())
    var source: String

    @Argument(help: "Where to.", completion: .file())
    var destination: String

    func perform() throws(ClientError) -> CInt {
        let source = try CopyPlace(self.source)
        let destination = try CopyPlace(self.destination)
        switch (source.machine, destination.machine) {
        case (let name?, nil) where destination.isStream: return try archive(name, source)
        case (nil, let name?) where source.isStream: return try unpack(name, destination)
        case (let name?, nil):
            return try transfer(name) { transfer throws(ClientError) in
                try transfer.receive(
                    source.path, to: Self.target(source, destination),
                    byteLimit: byteLimit, keepsSetID: keepsSetID)
            }
        case (nil, let name?):
            return try transfer(name) { transfer throws(ClientError) in
                try transfer.send(source.path, to: Self.target(source, destination))
            }
        case (nil, nil):
            throw ClientError(
                .badConfiguration, "neither place is in a machine; write one as MACHINE:PATH")
        case (_?, _?):
            throw ClientError(
                .badConfiguration,
                "both places are in machines; copy to this host first, and from here on")
        }
    }

    private func archive(_ name: String, _ source: CopyPlace) throws(ClientError) -> CInt {
        guard !Terminal.isTerminal(1) else {
            throw ClientError(
                .badConfiguration,
                "an archive is not for a terminal; write it to a file, or into a pipe")
        }
        Signal.pipe.ignore()
        return try transfer(name) { transfer throws(ClientError) in
            try transfer.archive(
                source.path, as: source.isContents ? Array(".".utf8) : source.name, to: 1,
                byteLimit: byteLimit, keepsSetID: keepsSetID)
        }
    }

    private func unpack(_ name: String, _ destination: CopyPlace) throws(ClientError) -> CInt {
        guard !Terminal.isTerminal(0) else {
            throw ClientError(
                .badConfiguration,
                "an archive does not come from a terminal; read it from a file, or from a pipe")
        }
        return try transfer(name) { transfer throws(ClientError) in
            try transfer.unpack(0, to: Array(destination.path.utf8))
        }
    }

    private var byteLimit: UInt64 {
        limit.map { UInt64($0.mebibytes) << 20 } ?? TreeTransfer.byteLimit
    }

    private func transfer(
        _ name: String, _ body: (TreeTransfer) throws(ClientError) -> CopySummary?
    ) throws(ClientError) -> CInt {
        let machine = try MachineStore.standard().machine(name)
        let channel = try machine.agent()
        let interruption = try Interruption()
        let transfer = TreeTransfer(
            on: channel, of: machine.record.name, interruption: interruption.descriptor
        ) { interruption.hasCome }
        let start = Clock.monotonic
        let summary = try body(transfer)
        if let summary { return report(summary, nanoseconds: Clock.monotonic - start) }
        // Without a signal it is that nobody reads the archive any more.
        return ExitStatus.killed(by: interruption.signal ?? .pipe)
    }

    /// Where the tree at `source` goes.
    private static func target(_ source: CopyPlace, _ place: CopyPlace) -> TreeDestination {
        TreeDestination(
            path: Array(place.path.utf8), name: source.name, isContents: source.isContents)
    }

    private func report(_ summary: CopySummary, nanoseconds: UInt64) -> CInt {
        if verbose {
            let seconds = Double(nanoseconds) / 1e9
            let rate = Double(summary.bytes) / 1e6 / max(seconds, 1e-9)
            CurrentProcess.complain(
                "swiftlet: \(summary.entries) entries, \(Wording.bytes(summary.bytes)),"
                    + " \(Int(seconds * 1000)) ms, \(Int(rate)) MB/s\n")
        }
        guard summary.omitted + summary.shortened > 0 else { return 0 }
        if summary.shortened > 0 {
            let files = summary.shortened == 1 ? "1 file" : "\(summary.shortened) files"
            CurrentProcess.complain(
                "swiftlet: \(files) became shorter while read, with zeros for the rest\n")
        }
        guard summary.omitted > 0 else { return 1 }
        let what =
            summary.omitted == 1
            ? "1 device, FIFO or socket was" : "\(summary.omitted) devices, FIFOs or sockets were"
        CurrentProcess.complain("swiftlet: \(what) left out\n")
        return 1
    }
}

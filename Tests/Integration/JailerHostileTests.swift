// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing

/// What others have put where the jailer works, and what they do while it works.
@Suite(.serialized, .enabled(if: JailFolder.isRoot, JailFolder.reason))
struct JailerHostileTests {
    /// What lies where the jailer wants to make something.
    enum Plant: String, CaseIterable, Sendable {
        case link, danglingLink, hardLink, pipe, device, file, directory
    }

    /// A file and a directory of somebody else's that must not change.
    private struct Victim {
        let folder: URL
        var file: String { folder.appending(path: "file").path }
        var directory: String { folder.appending(path: "directory").path }

        init() throws {
            folder = FileManager.default.temporaryDirectory
                .appending(path: "swiftlet-victim-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: folder.appending(path: "directory"), withIntermediateDirectories: true)
            try Data("precious\n".utf8).write(to: folder.appending(path: "file"))
            Posix.chmod(file, 0o640)
            Posix.chmod(directory, 0o750)
        }

        func remove() { try? FileManager.default.removeItem(at: folder) }

        /// Everything that may not change, as text.
        func state() throws -> [String] {
            try [file, directory].map { path in
                let status = try #require(Posix.status(path))
                return "\(status.st_mode) \(status.st_uid) \(status.st_gid) \(status.st_size)"
            } + [
                String(contentsOfFile: file, encoding: .utf8),
                FileManager.default.contentsOfDirectory(atPath: directory).joined(),
            ]
        }
    }

    private func put(_ plant: Plant, at path: String, _ victim: Victim) throws {
        let parent = URL(filePath: path).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
        let result: Int32 =
            switch plant {
            case .link: Posix.symlink(victim.file, path)
            case .danglingLink: Posix.symlink(victim.folder.path + "/made", path)
            case .hardLink: Posix.link(victim.file, path)
            case .pipe: Posix.mkfifo(path, 0o666)
            case .device: Posix.device(path, major: 1, minor: 3)
            case .file: FileManager.default.createFile(atPath: path, contents: nil) ? 0 : -1
            case .directory: Posix.mkdir(path, 0o777)
            }
        try #require(result == 0, "\(plant) at \(path): \(errno)")
    }

    @Test(
        arguments: [
            "firecracker", "firecracker.pid", "dev/kvm", "dev/net/tun", "dev/urandom",
            "dev/userfaultfd",
        ], Plant.allCases)
    func `What lies where a file is made is neither followed nor changed`(
        _ name: String, _ plant: Plant
    ) throws {
        if name == "dev/userfaultfd", !Posix.exists("/dev/userfaultfd") { return }
        let victim = try Victim()
        defer { victim.remove() }
        let jail = try JailFolder()
        try put(plant, at: jail.path(name), victim)
        let (before, there) = (try victim.state(), try jail.remains())
        let result = try jail.run([], ["--version"])
        #expect(result.status == 1, "\(name) \(plant)")
        #expect(result.outputText == "", "the program ran")
        #expect(!result.errorText.isEmpty)
        if name == "firecracker", plant == .hardLink {
            #expect(result.errorText == "Detected hard link at: \(jail.path(name))\n")
        }
        if name == "firecracker", plant == .link {
            #expect(result.errorText.hasPrefix("Failed to open \(jail.path(name)): "))
        }
        #expect(try victim.state() == before, "\(name) \(plant)")
        #expect(!FileManager.default.fileExists(atPath: victim.folder.path + "/made"))
        #expect(try jail.remains() == there, "\(name) \(plant)")
    }

    @Test(
        arguments: ["..", ".", "dev", "dev/net", "run"],
        [Plant.link, .danglingLink, .hardLink, .pipe, .device, .file])
    func `What lies where a directory is made is neither followed nor changed`(
        _ name: String, _ plant: Plant
    ) throws {
        let victim = try Victim()
        defer { victim.remove() }
        let jail = try JailFolder()
        // "." is the root itself, ".." the machine's directory around it.
        let path = jail.root.appending(path: name).standardizedFileURL.path
        if plant == .link {
            let parent = URL(filePath: path).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
            #expect(Posix.symlink(victim.directory, path) == 0)
        } else {
            try put(plant, at: path, victim)
        }
        let (before, there) = (try victim.state(), try jail.remains())
        let result = try jail.run([], ["--version"])
        #expect(result.status == 1, "\(name) \(plant)")
        #expect(result.errorText.hasPrefix("Failed to create directory "), "\(result.errorText)")
        #expect(result.outputText == "", "the program ran")
        #expect(try victim.state() == before, "\(name) \(plant)")
        #expect(try jail.remains() == there, "\(name) \(plant)")
    }

    private final class Race: Sendable {
        let isOver = Atomic(false)
        let turns = Atomic(0)
    }

    /// The jailed user, or whoever has the directories, changes them while the jailer works.
    @Test(arguments: ["", "dev", "run", "firecracker"])
    func `A race for a name gains nothing`(_ name: String) throws {
        let victim = try Victim()
        defer { victim.remove() }
        let jail = try JailFolder()
        let before = try victim.state()
        let path = name.isEmpty ? jail.root.path : jail.path(name)
        let other = path + ".other"
        let race = Race()
        let target = name == "firecracker" ? victim.file : victim.directory
        let racer = Thread {
            while !race.isOver.load(ordering: .relaxed) {
                // Its own thing and a link to the victim take turns under the name.
                Posix.rename(path, other)
                Posix.symlink(target, path)
                Posix.unlink(path)
                Posix.rename(other, path)
                race.turns.wrappingAdd(1, ordering: .relaxed)
            }
        }
        racer.start()
        // It runs no longer than the test, however that ends.
        defer { race.isOver.store(true, ordering: .relaxed) }
        for _ in 0..<40 {
            let result = try jail.run([], ["--version"])
            #expect(result.status == 0 || result.status == 1)
            try? FileManager.default.removeItem(at: jail.base.appending(path: "firecracker"))
        }
        race.isOver.store(true, ordering: .relaxed)
        #expect(RunningProgram.wait(seconds: 10) { racer.isFinished })
        #expect(race.turns.load(ordering: .relaxed) > 0)
        #expect(try victim.state() == before)
    }

    @Test func `A directory that was moved into another user's is not given away`() throws {
        let victim = try Victim()
        defer { victim.remove() }
        let jail = try JailFolder()
        let machine = jail.root.deletingLastPathComponent()
        try FileManager.default.createDirectory(at: machine, withIntermediateDirectories: true)
        Posix.chown(machine.path, 41999, 41999)
        #expect(Posix.rename(victim.directory, jail.root.path) == 0)
        let result = try jail.run([], ["--version"])
        #expect(result.status == 1)
        #expect(result.errorText.hasPrefix("Failed to create directory \(jail.root.path): "))
        #expect(Posix.status(jail.root.path)?.st_uid == 0)
    }
}

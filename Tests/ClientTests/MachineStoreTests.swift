// SPDX-License-Identifier: Apache-2.0
import Control
import Foundation
import Linux
import Testing

@testable import Client

/// A store in a directory that goes with this value.
final class ScratchStore {
    let root: URL
    let store: MachineStore

    init() {
        root = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-store-\(UUID().uuidString)")
        store = MachineStore(path: root.path + "/state/swiftlet/machines")
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    static let configuration = MicroVM.Configuration(kernel: "/vmlinux", initrd: "/initrd")

    func make(_ name: String? = nil, isTemporary: Bool = false) throws -> MachineSeat {
        try store.make(
            named: name, command: ["sleep", "9"], isTemporary: isTemporary, Self.configuration)
    }

    /// Names in the store's directory.
    var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: store.path)) ?? [])
            .filter { $0 != "lock" }.sorted()
    }

    /// Changes who may use a file.
    func open(_ path: String, to permissions: Int) throws {
        try FileManager.default.setAttributes(
            [.posixPermissions: permissions], ofItemAtPath: path)
    }

    /// A state as this process would write it.
    static func state(_ phase: MachineState.Phase) throws -> MachineState {
        let here = try #require(ProcessIdentity(running: CurrentProcess.identifier))
        var state = MachineState(supervisor: here)
        state.phase = phase
        if phase == .ended { state.status = 3 }
        return state
    }

    /// Makes a machine that nobody keeps alive any more, in this phase; nil: it has said nothing.
    func makeDead(
        _ name: String? = nil, isTemporary: Bool = false, in phase: MachineState.Phase?
    ) throws -> String {
        let seat = try make(name, isTemporary: isTemporary)
        if let phase { try seat.write(try Self.state(phase)) }
        return seat.machine.record.id
    }

    /// The sentence of the error that `body` throws.
    static func refusal(_ body: () throws -> Void) throws -> String {
        do { try body() } catch let error as ClientError { return error.message }
        Issue.record("nothing was refused")
        return ""
    }
}

@Suite struct MachineStoreTests {
    @Test func `Where nothing was ever made there are no machines, and no directory comes`() throws
    {
        let scratch = ScratchStore()
        #expect(try scratch.store.machines().isEmpty)
        #expect(!FileManager.default.fileExists(atPath: scratch.root.path))
    }

    @Test func `A machine is found by identifier, by name and by the beginning of its identifier`()
        throws
    {
        let scratch = ScratchStore()
        let seat = try scratch.make("web")
        let record = seat.machine.record
        let id = record.id
        #expect(id.count == 12)
        #expect(record.command == ["sleep", "9"])
        for reference in [id, "web", String(id.prefix(1)), String(id.prefix(11))] {
            #expect(try scratch.store.machine(reference).record == record)
        }
        for reference in ["", "we", id + "0", "../\(id)"] {
            let sentence = try ScratchStore.refusal { _ = try scratch.store.machine(reference) }
            #expect(sentence == "no such machine: \"\(reference)\"")
        }
        withExtendedLifetime(seat) {}
    }

    @Test func `A beginning that several machines share is refused, a whole name is not`() throws {
        let scratch = ScratchStore()
        var seats: [Box] = []
        var ids: Set<String> = []
        // Of 17 identifiers two begin alike.
        for _ in 0..<17 { seats.append(Box(try scratch.make())) }
        for seat in seats { ids.insert(seat.seat.machine.record.id) }
        let digit = try #require(
            "0123456789abcdef".first { digit in ids.filter { $0.first == digit }.count > 1 })
        let sentence = try ScratchStore.refusal { _ = try scratch.store.machine(String(digit)) }
        #expect(sentence.contains("is the beginning of"))
        seats.append(Box(try scratch.make(String(digit))))
        #expect(try scratch.store.machine(String(digit)).record.name == String(digit))
        #expect(Set(try scratch.store.machines().map(\.record.name)).count == 18)
    }

    private final class Box {
        let seat: MachineSeat
        init(_ seat: consuming MachineSeat) { self.seat = seat }
    }

    @Test func `A name is taken until its machine is removed`() throws {
        let scratch = ScratchStore()
        let id = try scratch.makeDead("web", in: .ended)
        let sentence = try ScratchStore.refusal { _ = try scratch.make("web") }
        #expect(sentence == "the name web is taken by the machine \(id); rm it first")
        try scratch.store.remove(try scratch.store.machine("web"))
        _ = try scratch.make("web")
    }

    @Test(arguments: ["-a", ".a", "a/b", "a b", "ä", "\u{1b}[m", String(repeating: "a", count: 64)])
    func `What is no name is refused`(_ name: String) throws {
        let scratch = ScratchStore()
        let sentence = try ScratchStore.refusal { _ = try scratch.make(name) }
        #expect(sentence.contains("is no name for a machine"))
        #expect(!sentence.contains("\u{1b}"))
        #expect(scratch.names.isEmpty)
    }

    @Test func `A machine lives as long as somebody holds its seat`() throws {
        let scratch = ScratchStore()
        do {
            let seat = try scratch.make("web")
            let machine = seat.machine
            #expect(machine.isAlive)
            #expect(machine.status == .starting)
            // As a child that is given the descriptor.
            let copy = try FileDescriptor.duplicating(seat.descriptor)
            let heir = try MachineSeat(
                adopting: copy.release(), of: machine.id, in: scratch.store)
            _ = consume seat
            #expect(try scratch.store.machine("web").isAlive)
            try heir.write(try ScratchStore.state(.running))
        }
        #expect(try scratch.store.machine("web").status == .ended(137))
    }

    @Test func `A living machine is not removed, an ended one is with all its files`() throws {
        let scratch = ScratchStore()
        let seat = try scratch.make("web")
        let machine = seat.machine
        let sentence = try ScratchStore.refusal { try scratch.store.remove(machine) }
        #expect(sentence == "the machine web has not ended; stop it first")
        try seat.write(try ScratchStore.state(.ended))
        _ = consume seat
        #expect(try scratch.store.machine("web").status == .ended(3))
        try scratch.store.remove(machine)
        #expect(scratch.names.isEmpty)
        let again = try ScratchStore.refusal { try scratch.store.remove(machine) }
        #expect(again == "the machine web has been removed meanwhile")
    }

    @Test func `A look cleans away what never came to be`() throws {
        let scratch = ScratchStore()
        _ = try scratch.makeDead(in: nil)
        _ = try scratch.makeDead(in: .starting)
        let kept = try scratch.makeDead("kept", in: .ended)
        for name in [".new-000000000000", ".gone-000000000000", "0123456789ab"] {
            try FileManager.default.createDirectory(
                atPath: scratch.store.path + "/" + name, withIntermediateDirectories: false)
            try Data("x".utf8).write(
                to: URL(filePath: scratch.store.path + "/\(name)/machine.json"))
        }
        #expect(try scratch.store.machines().map(\.record.name) == ["kept"])
        #expect(scratch.names == [kept])
    }

    @Test func `A machine whose supervisor was killed is marked as ended by signal 9, once`() throws
    {
        let scratch = ScratchStore()
        _ = try scratch.makeDead("web", in: .running)
        let state = try #require(try scratch.store.machine("web").state)
        #expect(state.phase == .ended)
        #expect(state.status == 137)
        #expect(state.message == "its supervisor was killed")
        #expect(try scratch.store.machine("web").state == state)
    }

    @Test func `What cannot be known to be dead is left alone`() throws {
        let scratch = ScratchStore()
        let id = try scratch.makeDead("web", in: .running)
        // A directory that others may write is nobody's to judge.
        let folder = scratch.store.path + "/" + id
        try scratch.open(folder, to: 0o777)
        #expect(try scratch.store.machines().isEmpty)
        #expect(scratch.names == [id])
        try scratch.open(folder, to: 0o700)
        #expect(try scratch.store.machine("web").status == .ended(137))
    }

    @Test func `A state directory that others may write is refused with a sentence`() throws {
        let scratch = ScratchStore()
        _ = try scratch.makeDead(in: .ended)
        try scratch.open(scratch.store.path, to: 0o777)
        let sentence = try ScratchStore.refusal { _ = try scratch.store.machines() }
        #expect(sentence.contains(scratch.store.path))
        #expect(sentence.hasSuffix("it is another user's, or others may write it"))
    }

    @Test func `A place that cannot be written is refused with a sentence`() throws {
        let store = MachineStore(path: "/proc/swiftlet/machines")
        let sentence = try ScratchStore.refusal {
            _ = try store.make(
                named: nil, command: ["x"], ScratchStore.configuration)
        }
        #expect(
            sentence == "the state directory /proc/swiftlet/machines cannot be used"
                + " (XDG_STATE_HOME): No such file or directory")
        #expect(try store.machines().isEmpty)
    }

    @Test func `Makers and removers at the same time do not disturb each other`() async throws {
        let scratch = ScratchStore()
        let path = scratch.store.path
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    let store = MachineStore(path: path)
                    for _ in 0..<25 {
                        do {
                            let seat = try store.make(
                                named: "w\(worker)", command: ["x"], ScratchStore.configuration)
                            try seat.write(try ScratchStore.state(.ended))
                            let machine = seat.machine
                            #expect(try store.machine("w\(worker)").record == machine.record)
                            _ = consume seat
                            try store.remove(machine)
                        } catch {
                            Issue.record("\(error)")
                        }
                    }
                }
            }
        }
        #expect(scratch.names.isEmpty)
    }
}

@Suite struct MachineRecordTests {
    @Test func `A record and a state say the same once they are read again`() throws {
        var configuration = ScratchStore.configuration
        configuration.rootDisk = MicroVM.Disk(path: "/a")
        configuration.disks = [MicroVM.Disk(path: "/b")]
        configuration.network = .tap("tap0")
        let record = MachineRecord(
            id: "0123456789ab", name: "web", created: 1 << 60, command: ["a", "\u{1}\n"],
            arguments: ["--", "a", "\u{1}\n"], isTemporary: true, configuration)
        #expect(try MachineRecord(json: JSONParser.parse(record.json.bytes)) == record)
        var state = try ScratchStore.state(.ended)
        state.monitor = state.supervisor
        state.vsock = "@a"
        state.api = "@b"
        state.started = 1
        state.ended = 2
        state.message = "because"
        #expect(try MachineState(json: JSONParser.parse(state.json.bytes)) == state)
    }

    @Test func `A record of an earlier version is one of a machine that stays`() throws {
        let scratch = ScratchStore()
        let record = try scratch.make(isTemporary: true).machine.record
        let json = JSON.object(record.members.filter { $0.0 != "temporary" })
        #expect(try MachineRecord(json: json).isTemporary == false)
    }

    @Test func `What a later version adds is passed over`() throws {
        var members = try ScratchStore.state(.running).members
        members.append(("later", JSON.array([.null])))
        let json = JSON.object(members)
        #expect(try MachineState(json: json) == ScratchStore.state(.running))
    }
}

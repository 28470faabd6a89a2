// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import KVM
import Memory
import Testing

/// Privileged behaviour, as small guests see it: the same on each engine.
@Suite struct PrivilegedTests {
    static let names = ["paging", "exceptions", "debug", "segments", "interrupts"]

    /// What KVM itself gets wrong where it emulates guest kernels, by guest and by how the line
    /// begins. `docs/engines.md` says what comes instead.
    static let emulatedWrong: [String: [String]] = [:]

    private static func run(_ name: String, _ engine: TestedEngine) throws -> String {
        let guest = try PrivilegedGuest(name)
        let machine = try SmallMachine(engine, nil)
        try guest.load(into: machine.memory)
        try machine.machine.vcpus[0].restore(PrivilegedGuest.start)
        return try machine.run(seconds: 120)
    }

    /// Lines of `text` but those that this host is known to get wrong.
    private static func compared(_ text: String, _ name: String, _ engine: TestedEngine)
        -> [Substring]
    {
        let lines = text.split(separator: "\n")
        guard engine == .kvm, HostKVM.isEmulated else { return lines }
        let wrong = emulatedWrong[name] ?? []
        return lines.filter { line in !wrong.contains { line.hasPrefix($0) } }
    }

    @Test(arguments: names, TestedEngine.usable)
    func `A guest finds what the manuals say`(_ name: String, _ engine: TestedEngine) throws {
        let expected = Self.compared(try PrivilegedGuest(name).expected(), name, engine)
        let said = Self.compared(try Self.run(name, engine), name, engine)
        #expect(said.count == expected.count)
        for (line, right) in zip(said, expected) { #expect(line == right) }
    }
}

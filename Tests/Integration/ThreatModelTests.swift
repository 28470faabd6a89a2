// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite struct ThreatModelTests {
    /// What stands in backquotes in the last column of a table.
    private static func namedTests(_ text: String) -> [String] {
        var names: [String] = []
        for line in text.split(separator: "\n") where line.hasPrefix("| ") {
            let cells = line.split(separator: "|")
            guard let last = cells.last else { continue }
            names += last.matches(of: #/`([^`]+)`/#).map { String($0.output.1) }
        }
        return names
    }

    @Test func `Each test that the threat model names is there`() throws {
        let names = Self.namedTests(try Checkout.text(of: "docs/threat-model.md"))
        #expect(names.count > 100)
        var tests = ""
        for file in try Checkout.swiftFiles(in: "Tests") where !file.contains("ThreatModelTests") {
            tests += try Checkout.text(of: file)
        }
        for name in names {
            let isThere =
                tests.contains("func `\(name)`") || tests.contains("\"\(name)\"")
            #expect(isThere, "no test is called \(name)")
        }
    }

    @Test func `Each attack of the bare-metal guest is run`() throws {
        var source = ""
        for part in ["cpu", "virtio", "devices", "many"] {
            source += try Checkout.text(of: "Guest/tests/hostile_\(part).c")
        }
        let attacks = source.matches(of: #/\{"([a-z-]+)", [a-z_]+\}/#).map { String($0.output.1) }
        #expect(attacks.count > 25)
        let run = Set(HostileGuestTests.attacks.map(\.name)).union(["halt"])
        #expect(Set(attacks) == run)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// The coverage table, as `docs/instructions.md` has it: a row an opcode, in the order of the maps.
extension JudgeCoverage {
    private struct Row {
        var forms = 0
        var cases = 0
        var completed = 0
        var fewest = Int.max
    }

    /// Forms that were never judged.
    var missed: [JudgeForm] {
        forms.indices.filter { count($0).cases == 0 }.map { forms[$0] }
    }

    /// `cases` were judged in all, from `seed` on.
    func table(cases: Int, seed: UInt64, discarded: Int) -> String {
        var text = """
            # Instructions judged

            Made by `make judge CASES=\(cases) SEED=\(seed)`; see [judge.md](judge.md). A form is an
            opcode with its selecting prefix and ModRM fields, on registers or memory, in 64-bit or
            32-bit code: all that the decoder knows, less what is listed at the end. *Completed* cases
            raised no exception; *fewest* is the number of cases of the form judged least often.

            \(Self.number(cases)) cases, \(Self.number(discarded)) discarded, \(forms.count) forms, \
            \(missed.count) of them not judged.

            """
        let titles = ["One-byte opcodes", "0F", "0F 38", "0F 3A"]
        for map in 0..<4 {
            text += "\n## \(titles[map])\n\n| opcode | forms | cases | completed | fewest |\n"
            text += "|---|---:|---:|---:|---:|\n"
            for opcode in 0..<256 {
                guard let row = row(map, opcode) else { continue }
                let name = opcode < 16 ? "0" + String(opcode, radix: 16) : String(opcode, radix: 16)
                text += "| \(name.uppercased()) | \(row.forms) | \(Self.number(row.cases)) "
                text += "| \(Self.number(row.completed)) | \(Self.number(row.fewest)) |\n"
            }
        }
        return text + exclusions
    }

    private func row(_ map: Int, _ opcode: Int) -> Row? {
        var row = Row()
        for place in forms.indices
        where Int(forms[place].map) == map && Int(forms[place].opcode) == opcode {
            let counted = count(place)
            row.forms += 1
            row.cases += counted.cases
            row.completed += counted.completed
            row.fewest = min(row.fewest, counted.cases)
        }
        return row.forms == 0 ? nil : row
    }

    /// What is known and not judged, with the reasons.
    private var exclusions: String {
        var reasons: [String: Set<String>] = [:]
        for map in UInt8(0)..<4 {
            for opcode in UInt8.min...UInt8.max {
                for group in UInt8(0)..<8 {
                    for isMemory in [true, false] {
                        let form = JudgeForm(
                            map: map, opcode: opcode, group: group, isMemory: isMemory)
                        guard let reason = JudgeOpcodes.exclusion(form) else { continue }
                        let bytes = form.opcodeBytes.map { byte in
                            (byte < 16 ? "0" : "") + String(byte, radix: 16).uppercased()
                        }
                        let name = bytes.joined(separator: " ")
                        let isGroup = JudgeOpcodes.isGroup(map, opcode)
                        reasons[reason, default: []].insert(isGroup ? name + " /\(group)" : name)
                    }
                }
            }
        }
        var text = "\n## Not judged\n\n| why | opcodes |\n|---|---|\n"
        for (reason, names) in reasons.sorted(by: { $0.key < $1.key }) {
            text += "| \(reason) | \(names.sorted().joined(separator: ", ")) |\n"
        }
        return text
    }

    private static func number(_ value: Int) -> String {
        var digits = String(value)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return ([digits] + groups).joined(separator: ",")
    }
}

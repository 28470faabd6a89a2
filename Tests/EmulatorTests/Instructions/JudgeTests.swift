// SPDX-License-Identifier: Apache-2.0
import Glibc
import Linux
import Support
import Testing

/// The machine's own processor as judge of the software one. Serialized: the code under judgement
/// has one place in the process.
@Suite(.serialized) struct JudgeTests {
    @Test func `The same seed makes the same instructions`() {
        var one = JudgeGenerator(seed: 5)
        var other = JudgeGenerator(seed: 5)
        for _ in 0..<200 {
            let a = one.next(at: JudgedMemory.code, room: 256)
            let b = other.next(at: JudgedMemory.code, room: 256)
            #expect(one.code == other.code)
            #expect(JudgeComparison.agree(a.1, b.1))
        }
    }

    @Test func `Each form is counted by itself`() {
        let forms = JudgeGenerator(seed: 1).allForms
        var coverage = JudgeCoverage(forms)
        for form in forms { coverage.note(form, JudgedState()) }
        for place in forms.indices { #expect(coverage.count(place).cases == 1, "\(forms[place])") }
    }

    @Test func `A result that differs is told`() {
        var one = JudgedState()
        let same = one
        one.general[3] = 5
        #expect(JudgeComparison.agree(same, same))
        #expect(!JudgeComparison.agree(one, same))
        #expect(JudgeComparison.differences(one, same) == ["r3 5 ours 0"])
    }
}

extension JudgeTests {
    /// In a process of its own, which locks itself in before it runs anything: what random code asks
    /// of the kernel is refused.
    @Test(
        .enabled(
            if: JudgeNative.isFit,
            "the judge is an AMD processor whose programs may set FS and GS, and this host's is not"
        ))
    func `Random instructions do what this machine's processor does`() async throws {
        let result = await #expect(
            processExitsWith: .success, observing: [\.standardErrorContent]
        ) {
            try TestProcess.endsIn(seconds: 600)
            let judge = try Judge(seed: 1)
            try judge.native.confine()
            var differences: [String] = []
            while judge.count < 20_000 {
                for difference in judge.batch() { differences.append("\(difference)\n") }
            }
            if judge.discarded > judge.count / 100 { differences.append("many discarded\n") }
            for text in differences { CurrentProcess.complain(text) }
            if differences.isEmpty { CurrentProcess.complain(JudgeTests.verdict) }
            _exit(0)
        }
        // Swift Testing puts a mark of its own before it.
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        if !text.contains(Self.verdict) { Issue.record("\(text)") }
    }

    fileprivate static var verdict: String { "No case differs." }

    @Test(arguments: JudgedRow.rows, [true, false])
    func `What differed once differs no more`(_ row: JudgedRow, asBlocks: Bool) throws {
        let emulator = try JudgeEmulator()
        var state = JudgedState()
        state.rip = JudgedMemory.code
        state.rflags = 0x202
        state.mxcsr = 0x1f80
        state.controlWord = 0x37f
        row.prepare(&state)
        var judged = JudgeCase(form: JudgeForm(map: 0, opcode: 0x90))
        judged.end = JudgedMemory.code + UInt64(row.code.count)
        judged.asBlocks = asBlocks
        let way = JudgedMemory.wayOut(from: judged.end, is32: state.is32)
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: way >> UInt64(8 * $0)) }
        emulator.write(row.code + bytes, at: JudgedMemory.code)
        var after = state
        emulator.run([judged], [state], intoFirst: &after)
        #expect(row.holds(after), "\(JudgeComparison.differences(state, after))")
    }
}

// SPDX-License-Identifier: Apache-2.0
import Testing

/// The machine's own processor as judge of the software one. Serialized: the code under judgement
/// has one place in the process.
@Suite(.serialized) struct JudgeTests {
    /// Skipped where the host is not an x86-64 machine with Linux: instructions of a guest are not
    /// its own there.
    @Test(.enabled(if: JudgeNative.isHostJudge, "the host's processor is not x86-64"))
    func `Random instructions do what this machine's processor does`() throws {
        let judge = try Judge(seed: 1)
        while judge.count < 60_000 {
            for difference in judge.batch() { Issue.record("\(difference)") }
        }
        #expect(judge.unrepeated == 0)
        #expect(judge.discarded < judge.count / 100)
    }

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
        emulator.write(row.code + [0xe9, 0, 0, 0, 0], at: JudgedMemory.code)
        var after = state
        emulator.run([judged], [state], intoFirst: &after)
        #expect(row.holds(after), "\(JudgeComparison.differences(state, after))")
    }
}

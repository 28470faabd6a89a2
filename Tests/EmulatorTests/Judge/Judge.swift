// SPDX-License-Identifier: Apache-2.0

/// Lets the machine's own processor and the software one do the same, many times, and compares.
final class Judge {
    /// A case on which they differ.
    struct Difference {
        let judged: JudgeCase
        let code: [UInt8]
        let before: JudgedState
        let phrases: [String]
    }

    private static var batchCount: Int { 120 }
    private static var slotBytes: Int { 256 }

    let native: JudgeNative
    /// Tell of the host's processor where it did not do the same again.
    var instabilities = false
    private let emulator: JudgeEmulator
    var generator: JudgeGenerator
    private(set) var coverage: JudgeCoverage
    /// Cases that ended in a way that is no result: endless loops, bits of MXCSR that only AMD has,
    /// and what differed because it went astray.
    private(set) var discarded = 0
    private(set) var count = 0
    /// Batches that differed, and no longer when they were judged again case by case.
    private(set) var unrepeated = 0
    /// Batches in which the host's processor did not do the same again.
    private(set) var unsteady = 0

    private var cases: [JudgeCase] = []
    private var before: [JudgedState] = []
    private(set) var after: [JudgedState] = []
    private var ours: [JudgedState] = []
    private var code = [UInt8](repeating: 0xcc, count: JudgedMemory.codeCount)
    private var data = [UInt8](repeating: 0, count: JudgedMemory.dataCount)

    init(seed: UInt64) throws {
        native = try JudgeNative()
        emulator = try JudgeEmulator()
        emulator.setExit(native.read(JudgedMemory.exit, 16))
        generator = JudgeGenerator(seed: seed)
        coverage = JudgeCoverage(generator.allForms)
        cases.reserveCapacity(Self.batchCount)
        before.reserveCapacity(Self.batchCount)
        for _ in 0..<64 { refreshData() }
    }

    /// Judges a batch; answers on what they differ, something if they differ at all.
    func batch() -> [Difference] {
        make()
        native.write(data, at: JudgedMemory.data)
        native.write(code, at: JudgedMemory.code)
        emulator.write(data, at: JudgedMemory.data)
        emulator.write(code, at: JudgedMemory.code)
        native.run(before, into: &after)
        emulator.run(cases, before, into: &ours)
        count += cases.count
        var isSame = memoryDifference() == nil
        for index in cases.indices where isSame {
            isSame = isSameResult(index)
        }
        for index in cases.indices { coverage.note(cases[index].form, after[index]) }
        if isSame { return [] }
        let hasNoResult = cases.indices.contains { isNoResult(after[$0], ours[$0]) }
        let excused = discarded
        let first = firstDifference()
        let result = Result(after: after, memory: nativeMemory())
        let found = oneByOne()
        guard found.isEmpty && discarded == excused && !hasNoResult else { return found }
        if let place = instability(result) {
            unsteady += 1
            return instabilities ? [difference(place.index, [place.phrase])] : []
        }
        unrepeated += 1
        return [first ?? difference(0, ["in a batch, but not alone: memory"])]
    }

    /// What the host's processor made of a batch.
    private struct Result {
        let after: [JudgedState]
        let memory: [UInt8]
    }

    private func nativeMemory() -> [UInt8] {
        native.read(JudgedMemory.data, JudgedMemory.dataCount)
            + native.read(JudgedMemory.code, JudgedMemory.codeCount)
    }

    /// Where the host's processor makes something else of the same batch than `result`; nil: nowhere,
    /// so that the odd one was the software processor.
    private func instability(_ result: Result) -> (index: Int, phrase: String)? {
        for _ in 0..<3 {
            native.write(data, at: JudgedMemory.data)
            native.write(code, at: JudgedMemory.code)
            native.run(before, into: &after)
            for index in cases.indices {
                let phrases = JudgeComparison.differences(result.after[index], after[index])
                if let phrase = phrases.first { return (index, "unsteady: " + phrase) }
            }
            let memory = nativeMemory()
            for place in memory.indices where memory[place] != result.memory[place] {
                let bytes = "\(result.memory[place]) then \(memory[place])"
                return (0, "unsteady: memory at \(String(place, radix: 16)) \(bytes)")
            }
        }
        return nil
    }

    // MARK: Making

    private func make() {
        cases.removeAll(keepingCapacity: true)
        before.removeAll(keepingCapacity: true)
        refreshData()
        for index in code.indices { code[index] = 0xcc }
        for slot in 0..<Self.batchCount {
            var offset = slot * Self.slotBytes + 32 + generator.random.below(32)
            var room = Self.slotBytes - 64
            // The last slot of a page may have its instruction across the boundary.
            if slot & 15 == 15 {
                if generator.random.chance(60) {
                    offset = (slot + 1) * Self.slotBytes - generator.random.below(16)
                    room = 16
                }
            } else if slot & 15 != 0 {
                room = Self.slotBytes
            }
            var (judged, state) = generator.next(
                at: JudgedMemory.code + UInt64(offset), room: room)
            judged.offset = offset
            for byte in generator.code where offset < code.count {
                code[offset] = byte
                offset += 1
            }
            cases.append(judged)
            before.append(state)
        }
        if after.count != before.count {
            after = before
            ours = before
        }
    }

    /// New contents for a part of the data.
    private func refreshData() {
        let start = generator.random.below(JudgedMemory.dataCount / 1024) * 1024
        for place in stride(from: start, to: start + 1024, by: 16) {
            let value = generator.random.vector()
            for index in 0..<16 {
                data[place + index] = UInt8(
                    truncatingIfNeeded: value[index >> 3] >> UInt64(8 * (index & 7)))
            }
        }
    }

    // MARK: Comparing

    /// What differed in a batch that was run as a whole.
    private func firstDifference() -> Difference? {
        for index in cases.indices {
            let (real, mine) = comparable(index)
            var phrases = JudgeComparison.differences(real, mine)
            if phrases.isEmpty && index != cases.count - 1 { continue }
            if let place = memoryDifference() { phrases.append(place) }
            return difference(index, ["in its batch, but not alone"] + phrases + neighbours())
        }
        return nil
    }

    /// The cases that have their operand less than a page before the first difference in data.
    private func neighbours() -> [String] {
        let mine = emulator.read(JudgedMemory.data, JudgedMemory.dataCount)
        guard let place = native.difference(mine, at: JudgedMemory.data) else { return [] }
        let address = JudgedMemory.data + UInt64(place)
        return cases.indices.filter { address &- cases[$0].operand < 512 }.map { index in
            "\(String(cases[index].operand, radix: 16)) \(cases[index].form)"
        }
    }

    private func ownCode(_ index: Int) -> ArraySlice<UInt8> {
        let start = cases[index].offset
        return code[start..<min(start + cases[index].codeCount, code.count)]
    }

    private func difference(_ index: Int, _ phrases: [String]) -> Difference {
        Difference(
            judged: cases[index], code: Array(ownCode(index)), before: before[index],
            phrases: phrases)
    }

    private func isSameResult(_ index: Int) -> Bool {
        let (real, mine) = comparable(index)
        // Counted when it is looked at alone: memory will differ.
        if isNoResult(real, mine) { return false }
        return JudgeComparison.agree(real, mine)
    }

    /// Both loop on and on, or one of them for longer than we wait; a system call; a bit of MXCSR that
    /// only AMD has; memory that the emulator lacks, and that is the judge's own where it runs natively.
    private func isNoResult(_ real: JudgedState, _ mine: JudgedState) -> Bool {
        real.vector == JudgedState.Ending.endless || mine.vector == JudgedState.Ending.endless
            || real.vector == JudgedState.Ending.systemCall || real.mxcsr >> 16 != 0
            || mine.vector == 14 && JudgedMemory.judges.contains(mine.cr2)
    }

    private func comparable(_ index: Int) -> (JudgedState, JudgedState) {
        var real = after[index]
        var mine = ours[index]
        let judged = cases[index]
        // Elsewhere than at its end, it is the filling's INT3.
        let isOwn = !judged.isSequence && real.rip == judged.end
        JudgeComparison.normalizeNative(
            &real, start: isOwn ? before[index].rip : real.rip &- 1, beside: mine)
        JudgeComparison.normalizeEmulated(&mine)
        JudgeComparison.mask(&real, judged, is32: before[index].is32)
        JudgeComparison.mask(&mine, judged, is32: before[index].is32)
        JudgeComparison.tolerate(judged, before[index], real, &mine)
        return (real, mine)
    }

    private func memoryDifference() -> String? {
        let areas = [
            ("data", JudgedMemory.data, JudgedMemory.dataCount),
            ("code", JudgedMemory.code, JudgedMemory.codeCount),
        ]
        for (name, start, length) in areas {
            let mine = emulator.read(start, length)
            if let place = native.difference(mine, at: start) {
                let real = native.read(start + UInt64(place), 1)[0]
                return "\(name) at \(String(place, radix: 16)) \(real), ours \(mine[place])"
            }
        }
        return emulator.changedTable().map { "ours changed a table at \(String($0, radix: 16))" }
    }

    /// So that one difference does not make others.
    private func takeNativeMemory() {
        emulator.write(
            native.read(JudgedMemory.data, JudgedMemory.dataCount), at: JudgedMemory.data)
        emulator.write(
            native.read(JudgedMemory.code, JudgedMemory.codeCount), at: JudgedMemory.code)
    }

    /// Judges the batch again, case by case from the same memory, to find out which differ.
    private func oneByOne() -> [Difference] {
        var found: [Difference] = []
        native.write(data, at: JudgedMemory.data)
        native.write(code, at: JudgedMemory.code)
        emulator.write(data, at: JudgedMemory.data)
        emulator.write(code, at: JudgedMemory.code)
        for index in cases.indices {
            let memory = (
                native.read(JudgedMemory.data, JudgedMemory.dataCount),
                native.read(JudgedMemory.code, JudgedMemory.codeCount)
            )
            var one = [after[index]]
            native.run([before[index]], into: &one)
            after[index] = one[0]
            emulator.run(cases[index], before[index], into: &ours[index])
            let (real, mine) = comparable(index)
            var phrases = JudgeComparison.differences(real, mine)
            if let place = memoryDifference() { phrases.append(place) }
            let noResult = isNoResult(real, mine)
            if phrases.isEmpty && !noResult { continue }
            emulator.write(memory.0, at: JudgedMemory.data)
            emulator.write(memory.1, at: JudgedMemory.code)
            // Astray or not, the engine must go on, and keep what is not the program's.
            let isBroken =
                ours[index].vector == JudgedState.Ending.stuck
                || ours[index].vector == JudgedState.Ending.escaped
            let strays = { [self] in
                emulator.strays(cases[index], before[index], ownCode(index))
            }
            if !isBroken && (noResult || strays()) {
                discarded += 1
            } else {
                found.append(difference(index, phrases))
            }
            takeNativeMemory()
        }
        return found
    }
}

extension Judge.Difference: CustomStringConvertible {
    var description: String {
        func hex(_ value: some BinaryInteger) -> String { String(value, radix: 16) }
        let bytes = code.map { ($0 < 16 ? "0" : "") + hex($0) }.joined()
        var registers: [String] = []
        for number in 0..<16 { registers.append("r\(number)=\(hex(before.general[number]))") }
        let state =
            "fl=\(hex(before.rflags)) mxcsr=\(hex(before.mxcsr)) fcw=\(hex(before.controlWord))"
            + " fsw=\(hex(before.statusWord)) tags=\(hex(before.tags)) poke=\(hex(before.poke))"
            + " \(hex(before.poked[0])) \(hex(before.poked[1]))"
        let isX87 = judged.form.map == 0 && 0xd8...0xdf ~= judged.form.opcode
        let stack = isX87 ? [before.stack(0), before.stack(1)] : []
        let values = stack.map { " \(hex($0.signAndExponent)):\(hex($0.significand))" }.joined()
        let mode = before.is32 ? "32" : "64"
        let found = phrases.prefix(24).joined(separator: "; ")
        return "\(mode) \(hex(before.rip)):\(bytes)\n  \(found)\n  "
            + registers.joined(separator: " ")
            + "\n  " + state + values
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc

@testable import Judge

/// Judges the software processor by this machine's own.
///
///     judge-run CASES SEED [TABLE]
///
/// Every ten million cases, and in the end, it tells how far it is, and writes the coverage table to
/// TABLE as long as no case has differed. Exit status: 0 none, 1 some, 2 it cannot run.
@main enum Main {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3, let cases = Int(arguments[1]),
            let seed = UInt64(arguments[2])
        else {
            print("judge-run CASES SEED [TABLE]: CASES and SEED are numbers")
            exit(2)
        }
        do {
            let judge = try Judge(seed: seed)
            // The judge opens no files once it has locked itself in.
            let file =
                arguments.count > 3
                ? unsafe open(arguments[3], O_WRONLY | O_CREAT, 0o644) : -1
            try judge.native.confine()
            unsafe judge.instabilities = getenv("JUDGE_UNSTEADY") != nil
            exit(run(judge, cases, seed, table: file))
        } catch {
            print("\(error)")
            exit(2)
        }
    }

    private static func now() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Cases between two lines that tell how far it is.
    private static var stage: Int { 10_000_000 }

    /// Prints at most two differences of each form.
    private static func run(
        _ judge: Judge, _ cases: Int, _ seed: UInt64, table file: Int32
    ) -> Int32 {
        let start = now()
        var differences = 0
        var kinds: [JudgeForm: Int] = [:]
        var next = stage
        while judge.count < cases {
            for difference in judge.batch() {
                differences += 1
                kinds[difference.judged.form, default: 0] += 1
                if kinds[difference.judged.form] ?? 0 <= 2 { tell("\(difference)") }
            }
            guard judge.count >= next || judge.count >= cases else { continue }
            next += stage
            let rate = Int(Double(judge.count) / (now() - start))
            tell(
                "\(judge.count) cases, \(differences) differences in \(kinds.count) forms, "
                    + "\(judge.unrepeated) in their batch only, \(judge.unsteady) unsteady, "
                    + "\(judge.discarded) discarded, "
                    + "\(judge.coverage.missed.count) forms missed, \(rate) a second")
            if file >= 0 && differences == 0 {
                lseek(file, 0, SEEK_SET)
                ftruncate(file, 0)
                write(
                    judge.coverage.table(
                        cases: judge.count, seed: seed, discarded: judge.discarded), to: file)
            }
        }
        return differences == 0 ? 0 : 1
    }

    private static func tell(_ text: String) { write(text + "\n", to: 1) }

    /// The file is opened before the judge locks itself in.
    private static func write(_ text: String, to file: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(file, $0.baseAddress, $0.count)
            }
            if count <= 0 { return }
            bytes = bytes.dropFirst(count)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc

@testable import Judge

/// Judges the software processor by this machine's own.
///
///     judge-run CASES SEED [TABLE]
///
/// Writes the coverage table to TABLE if no case differs. Exit status: 0 none, 1 some, 2 it cannot run.
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
            // It replaces the table only when all is done.
            let file = arguments.count > 3 ? open(arguments[3], O_WRONLY | O_CREAT, 0o644) : -1
            try judge.native.confine()
            let status = run(judge, cases)
            if file >= 0 && status == 0 {
                ftruncate(file, 0)
                write(
                    judge.coverage.table(
                        cases: judge.count, seed: seed, discarded: judge.discarded), to: file)
            }
            exit(status)
        } catch {
            print("\(error)")
            exit(2)
        }
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Prints at most two differences of each form.
    private static func run(_ judge: Judge, _ cases: Int) -> Int32 {
        let start = now()
        var differences = 0
        var kinds: [JudgeForm: Int] = [:]
        while judge.count < cases {
            for difference in judge.batch() {
                differences += 1
                kinds[difference.judged.form, default: 0] += 1
                if kinds[difference.judged.form] ?? 0 <= 2 { print(difference) }
            }
        }
        let rate = Int(Double(judge.count) / (now() - start))
        print(
            "\(judge.count) cases, \(differences) differences in \(kinds.count) forms, "
                + "\(judge.unrepeated) batches differed once, \(judge.discarded) discarded, "
                + "\(judge.coverage.missed.count) forms missed, \(rate) a second")
        if judge.count >= 1_000_000 {
            for form in judge.coverage.missed { print("missed: \(form)") }
        }
        return differences == 0 && judge.unrepeated == 0 ? 0 : 1
    }

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

// SPDX-License-Identifier: Apache-2.0
import Glibc

@testable import Judge

/// Judges the software processor by this machine's own.
///
///     judge-run CASES SEED [TABLE]
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
            try judge.native.confine()
            exit(run(judge, cases))
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

    private static func run(_ judge: Judge, _ cases: Int) -> Int32 {
        let start = now()
        var differences = 0
        var kinds: [JudgeForm: Int] = [:]
        var hist: [UInt32: Int] = [:]
        while judge.count < cases {
            for a in judge.after { hist[a.vector, default: 0] += 1 }
            for difference in judge.batch() {
                differences += 1
                kinds[difference.judged.form, default: 0] += 1
                if kinds[difference.judged.form] ?? 0 <= 2 { print(difference) }
            }
        }
        print(hist, judge.unrepeated)
        let seconds = now() - start
        print(
            "\(judge.count) cases, \(differences) differences in \(kinds.count) forms, "
                + "\(judge.discarded) discarded, \(Int(Double(judge.count) / seconds)) a second")
        return differences == 0 ? 0 : 1
    }
}

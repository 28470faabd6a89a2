// SPDX-License-Identifier: Apache-2.0
import Driver
import Glibc

@testable import Boot

/// Kernel files of libFuzzer's choice.
///
///     FuzzBoot --seeds CORPUS                          writes files to begin with
///     FuzzBoot -max_total_time=600 -max_len=4096 CORPUS
@main enum FuzzBoot {
    static func main() {
        if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "--seeds" {
            return writeSeeds(folder: CommandLine.arguments[2])
        }
        Fuzzer.run { BootFuzz.run($0.span) }
    }

    private static func writeSeeds(folder: String) {
        unsafe mkdir(folder, 0o755)
        for (index, seed) in KernelFiles.all.enumerated() {
            guard let file = unsafe fopen("\(folder)/seed-\(index)", "w") else {
                print("\(folder)/seed-\(index) cannot be written")
                exit(1)
            }
            unsafe fwrite(seed, 1, seed.count, file)
            unsafe fclose(file)
        }
    }
}

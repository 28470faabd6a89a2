// SPDX-License-Identifier: Apache-2.0
import Driver

/// Guests of libFuzzer's choice at the link to their metadata: frames of any kind, and connections
/// that keep to the rules as long as it likes.
///
///     FuzzMMDS -max_total_time=600 -max_len=4096 CORPUS
@main enum FuzzMMDS {
    static func main() {
        Fuzzer.run { bytes in
            var guest = LinkGuest(bytes)
            guest.run()
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// A small guest, assembled from its source in `Guest/tests`.
struct GuestImage {
    /// Where images are loaded, and begin.
    static let base: UInt64 = 0x10000

    let bytes: [UInt8]

    init(_ name: String) throws {
        bytes = try Assembler("Guest/tests").image(
            of: name + ".s", link: ["-m", "elf_x86_64", "-T", "link.ld"])
    }
}

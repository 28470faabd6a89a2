// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite struct SafetyTests {
    /// Where the compiler's checks of memory may be left to us.
    ///
    /// The whole of `Emulator` counts as its hot core: decoder, executor, translation buffers and
    /// code cache share memory that is reached by address.
    private static let allowed = [
        "Sources/Linux/", "Sources/Memory/", "Sources/KVM/", "Sources/Emulator/",
        "Sources/Virtio/Virtqueue.swift", "Sources/Agent/TreeSystem.swift",
    ]

    @Test func `The word unsafe stands only where it may`() throws {
        for file in try Checkout.swiftFiles(in: "Sources") {
            guard !Self.allowed.contains(where: file.hasPrefix) else { continue }
            for (index, line) in try Checkout.code(of: file).enumerated() {
                let isUnsafe = Checkout.withoutCases(line).contains(
                    #/\bunsafe|Unsafe\w*(Pointer|BitCast)/#)
                #expect(!isUnsafe, "\(file):\(index + 1): \(line)")
            }
        }
    }

    @Test func `Targets are compiled with strict memory safety and no warnings`() throws {
        let manifest = try Checkout.text(of: "Package.swift")
        #expect(manifest.contains(".strictMemorySafety()"))
        #expect(manifest.contains(".treatAllWarnings(as: .error)"))
        #expect(manifest.contains(".swiftLanguageMode(.v6)"))
    }
}

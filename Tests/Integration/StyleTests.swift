// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@Suite struct StyleTests {
    private static func files() throws -> [String] {
        try ["Sources", "Tests", "Fuzz/Driver", "Fuzz/Sources"]
            .flatMap(Checkout.swiftFiles)
    }

    @Test func `swift format has nothing to say`() throws {
        let result = try Program.run("make", ["-s", "lint"], seconds: 300)
        #expect(result.status == 0, "\(result.errorText)")
    }

    @Test func `Every file begins with its licence`() throws {
        for file in try Self.files() {
            let text = try Checkout.text(of: file)
            let begins =
                text.hasPrefix("// SPDX-License-Identifier: Apache-2.0\n")
                || text.contains(#/^// swift-tools-version: [0-9.]+\n// SPDX-/#)
            #expect(begins, "\(file)")
        }
    }

    @Test func `No file is longer than 400 lines`() throws {
        for file in try Self.files() {
            let count = try Checkout.text(of: file).count { $0 == "\n" }
            #expect(count <= 400, "\(file) has \(count) lines")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Linux

@Suite struct PrivateFileTests {
    private let folder = FileManager.default.temporaryDirectory
        .appending(path: "swiftlet-private-\(UUID().uuidString)").path

    @Test func `What was written is read, and the directory is made`() {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = PrivateFile(directory: folder, name: "note")
        #expect(file.read(limit: 10) == nil)
        #expect(file.write([1, 2, 3]))
        #expect(file.read(limit: 10) == [1, 2, 3])
        #expect(file.read(limit: 2) == nil)
        #expect(file.write([4]))
        #expect(file.read(limit: 10) == [4])
        // Nothing else is left there.
        #expect((try? FileManager.default.contentsOfDirectory(atPath: folder)) == ["note"])
    }

    @Test func `A directory that is a link or open to others is not used`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(
            atPath: folder + "/real", withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/link", withDestinationPath: folder + "/real")
        #expect(!PrivateFile(directory: folder + "/link", name: "note").write([1]))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o777], ofItemAtPath: folder + "/real")
        #expect(!PrivateFile(directory: folder + "/real", name: "note").write([1]))
        #expect(!PrivateFile(directory: folder + "/none/deeper", name: "note").write([1]))
    }

    @Test func `A device or pipe in the file's place is not waited for`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        try #require(unsafe mkfifo(folder + "/note", 0o600) == 0)
        #expect(PrivateFile(directory: folder, name: "note").read(limit: 10) == nil)
    }
}

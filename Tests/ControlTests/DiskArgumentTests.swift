// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct DiskArgumentTests {
    struct Reading: CustomTestStringConvertible, Sendable {
        let text: String
        let path: String
        var isReadOnly = false
        var id: String?
        var engine = DriveConfig.IOEngine.serial
        var testDescription: String { text }
    }

    @Test(arguments: [
        Reading(text: "disk.img", path: "disk.img"),
        Reading(text: "/dev/sdb:ro", path: "/dev/sdb", isReadOnly: true),
        Reading(text: "a:id=data", path: "a", id: "data"),
        Reading(
            text: "a:engine=async:id=b_1:ro", path: "a", isReadOnly: true, id: "b_1",
            engine: .concurrent),
        Reading(text: "a:engine=sync", path: "a"),
        Reading(text: "with:colons:in:it", path: "with:colons:in:it"),
        Reading(text: "odd:rw:ro", path: "odd:rw", isReadOnly: true),
        Reading(text: "ro", path: "ro"),
    ])
    func `A disk is a path and words behind it`(_ reading: Reading) throws {
        let disk = try DiskArgument(reading.text)
        #expect(disk.path == reading.path)
        #expect(disk.isReadOnly == reading.isReadOnly)
        #expect(disk.id == reading.id)
        #expect(disk.engine == reading.engine)
    }

    @Test(arguments: [
        "", ":ro", "a:id=", "a:id=with-dash", "a:id=a_name_of_more_than_twenty", "a:engine=",
        "a:engine=fast",
    ])
    func `What is no disk is refused in a sentence`(_ text: String) {
        #expect(throws: DiskArgumentError.self) { _ = try DiskArgument(text) }
    }
}

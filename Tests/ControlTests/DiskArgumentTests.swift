// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct DiskArgumentTests {
    struct Reading: CustomTestStringConvertible, Sendable {
        let text: String
        let path: String
        var isReadOnly = false
        var id: String?
        var engine: DriveConfig.IOEngine?
        var testDescription: String { text }
    }

    @Test(arguments: [
        Reading(text: "disk.img", path: "disk.img"),
        Reading(text: "/dev/sdb:ro", path: "/dev/sdb", isReadOnly: true),
        Reading(text: "a:id=data", path: "a", id: "data"),
        Reading(
            text: "a:engine=async:id=b_1:ro", path: "a", isReadOnly: true, id: "b_1",
            engine: .concurrent),
        Reading(text: "a:engine=sync", path: "a", engine: .serial),
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

    @Test func `Persistent memory is a path and words behind it`() throws {
        let pmem = try PmemArgument("/images/a:b.img:ro:id=layer_0")
        #expect(pmem.path == "/images/a:b.img")
        #expect(pmem.isReadOnly)
        #expect(pmem.id == "layer_0")
        let plain = try PmemArgument("plain")
        #expect(plain.path == "plain" && !plain.isReadOnly && plain.id == nil)
        for text in ["", "a:engine=sync", "a:engine=async", ":ro"] {
            #expect(throws: DiskArgumentError.self) { _ = try PmemArgument(text) }
        }
    }

    @Test(arguments: [
        "", ":ro", "a:id=", "a:id=with-dash", "a:id=a_name_of_more_than_twenty", "a:engine=",
        "a:engine=fast",
    ])
    func `What is no disk is refused in a sentence`(_ text: String) {
        #expect(throws: DiskArgumentError.self) { _ = try DiskArgument(text) }
    }
}

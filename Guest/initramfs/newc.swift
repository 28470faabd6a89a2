// SPDX-License-Identifier: Apache-2.0

// Writes an initramfs: newc < MANIFEST > ARCHIVE
//
// The archive depends on the manifest and the files' bytes alone: owner 0, time 0, sorted names.
// A line of the manifest, its fields parted by tabs, is one of
//
//     directory  PATH  MODE
//     file       PATH  MODE  SOURCE
//     link       PATH  TARGET
//     tree       SOURCE             all that is in this directory, with its modes
//
// A later line replaces an earlier one of the same path. The directories that a merged file system
// has as links (/bin, /sbin, /lib, /lib64, /usr/sbin) are made links, and what lies in them goes
// where they point. Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.

import Glibc

enum Entry {
    case directory(mode: UInt32)
    case file(mode: UInt32, source: String)
    case link(target: String)
}

func fail(_ message: String) -> Never {
    writeAll(Array("newc: \(message)\n".utf8), to: 2)
    exit(1)
}

func writeAll(_ bytes: [UInt8], to file: CInt) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        guard count > 0 else { exit(1) }
        rest = rest.dropFirst(count)
    }
}

/// Where the first directories of a merged file system really are.
let merged = [
    ("usr/sbin", "usr/bin"), ("bin", "usr/bin"), ("sbin", "usr/bin"), ("lib", "usr/lib"),
    ("lib32", "usr/lib32"), ("lib64", "usr/lib64"), ("libx32", "usr/libx32"),
]

struct Archive {
    var entries: [String: Entry] = [:]

    mutating func add(_ path: String, _ entry: Entry) {
        for (link, target) in merged {
            if path == link {
                entries[link] = .link(target: link == "usr/sbin" ? "bin" : target)
                return add(target, .directory(mode: 0o755))
            }
            if path.hasPrefix(link + "/") {
                add(link, .directory(mode: 0o755))
                return add(target + path.dropFirst(link.utf8.count), entry)
            }
        }
        if case .directory = entry, case .link? = entries[path] { return }
        entries[path] = entry
        guard let slash = path.lastIndex(of: "/") else { return }
        let parent = String(path[..<slash])
        if entries[parent] == nil { add(parent, .directory(mode: 0o755)) }
    }

    mutating func addTree(_ source: String, at path: String = "") {
        guard let directory = opendir(source) else { fail("cannot read directory \(source)") }
        defer { closedir(directory) }
        while let item = readdir(directory) {
            let name = withUnsafePointer(to: &item.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            addFile("\(source)/\(name)", at: path.isEmpty ? name : "\(path)/\(name)")
        }
    }

    private mutating func addFile(_ source: String, at path: String) {
        var status = stat()
        guard lstat(source, &status) == 0 else { fail("cannot read \(source)") }
        let mode = status.st_mode & 0o7777
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            add(path, .directory(mode: mode))
            addTree(source, at: path)
        case S_IFREG: add(path, .file(mode: mode, source: source))
        case S_IFLNK: add(path, .link(target: target(of: source)))
        default: fail("\(source) is neither file, directory nor link")
        }
    }

    private func target(of link: String) -> String {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = readlink(link, &bytes, Int(PATH_MAX))
        guard count > 0 else { fail("cannot read link \(link)") }
        return String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Everything on descriptor 0, or in a file.
func read(_ path: String?) -> [UInt8] {
    let file = path.map { open($0, O_RDONLY) } ?? 0
    guard file >= 0 else { fail("cannot open \(path ?? "the manifest")") }
    defer { if path != nil { close(file) } }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 18)
    while true {
        let count = read(file, &block, block.count)
        guard count >= 0 else { fail("cannot read \(path ?? "the manifest")") }
        if count == 0 { return bytes }
        bytes.append(contentsOf: block[..<count])
    }
}

struct Writer {
    private var inode: UInt32 = 0

    private func put(_ bytes: [UInt8]) { writeAll(bytes, to: 1) }

    /// Appends zeros up to a multiple of four.
    private func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
    }

    private func field(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }

    mutating func put(_ name: String, mode: UInt32, links: UInt32, _ content: [UInt8]) {
        guard let size = UInt32(exactly: content.count) else { fail("\(name) is too long") }
        inode += 1
        let nameSize = UInt32(name.utf8.count + 1)
        let fields: [UInt32] = [
            inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, nameSize, 0,
        ]
        let header = "070701" + fields.map(field).joined() + name
        put(padded(Array(header.utf8) + [0]))
        put(padded(content))
    }

    mutating func put(_ name: String, _ entry: Entry) {
        switch entry {
        case .directory(let mode): put(name, mode: S_IFDIR | mode, links: 2, [])
        case .file(let mode, let source): put(name, mode: S_IFREG | mode, links: 1, read(source))
        case .link(let target): put(name, mode: S_IFLNK | 0o777, links: 1, Array(target.utf8))
        }
    }

    func end() {
        let trailer = "070701" + [UInt32](repeating: 0, count: 4).map(field).joined()
        let rest: [UInt32] = [1, 0, 0, 0, 0, 0, 0, 11, 0]
        put(padded(Array((trailer + rest.map(field).joined() + "TRAILER!!!").utf8) + [0]))
    }
}

func number(_ field: Substring) -> UInt32 {
    guard let mode = UInt32(field, radix: 8), mode <= 0o7777 else { fail("bad mode \(field)") }
    return mode
}

func trimmed(_ path: Substring) -> String { String(path.drop { $0 == "/" }) }

var archive = Archive()
let manifest = String(decoding: read(nil), as: UTF8.self)
for line in manifest.split(separator: "\n") {
    let fields = line.split(separator: "\t")
    switch (fields.first, fields.count) {
    case ("directory", 3): archive.add(trimmed(fields[1]), .directory(mode: number(fields[2])))
    case ("file", 4):
        archive.add(
            trimmed(fields[1]), .file(mode: number(fields[2]), source: String(fields[3])))
    case ("link", 3): archive.add(trimmed(fields[1]), .link(target: String(fields[2])))
    case ("tree", 2): archive.addTree(String(fields[1]))
    default: fail("bad line: \(line)")
    }
}
var writer = Writer()
let byName = archive.entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
for (path, entry) in byName { writer.put(path, entry) }
writer.end()

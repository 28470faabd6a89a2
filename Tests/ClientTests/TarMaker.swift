// SPDX-License-Identifier: Apache-2.0
@testable import Client

/// Makes archives by a script: blocks as they have to be, with fields that mean no good.
struct TarMaker {
    private static let paths: [String] = [
        "a", "b", "d", "d/", "d/a", "d/a/b", "l", "l/canary", "./a", "/a", "//d//b/.", "", ".",
        "./", "..", "../outside/canary", "a/../b", "d/l/x", "outside", "a\0b",
        String(repeating: "n", count: 100), String(repeating: "n", count: 256),
        String(repeating: "d/", count: 150) + "a", String(repeating: "d/", count: 250) + "a",
    ]
    private static let targets: [String] = [
        "a", "d/a", "l", "l/canary", "..", "../outside", "../outside/canary", "../../outside", "/",
        "", "./", "d", "b", "/dev/null",
    ]
    private static let numbers: [String] = [
        "0", "1", "511", "512", "513", "4096", "65537", "-1", "+1", "4294967295", "4294967296",
        "9223372036854775807", "9223372036854775808", "18446744073709551615",
        "99999999999999999999", "1.5", "-1.5", "-0.0000000001", "-9223372036854775808.9", "1.", ".",
        "-", "1e3", "",
    ]
    private static let fields: [[UInt8]] = [
        [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0], [0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        [0x80, 0, 0, 0, 0x7f] + [UInt8](repeating: 0xff, count: 7),
        [UInt8](repeating: 0xff, count: 12), [0xc0] + [UInt8](repeating: 0, count: 11),
        Array("77777777777\0".utf8), Array("       1 0".utf8), Array("0000000000x".utf8),
        Array("777777777777".utf8), [UInt8](repeating: 0, count: 12),
    ]
    private static let keywords = [
        "path", "linkpath", "size", "uid", "gid", "mtime", "GNU.sparse.major", "comment",
    ]
    private static let types = Array("000555221100\0673xgLKVSD".utf8)
    /// Where the header has a path, numbers, a sum, a type, a target, a mark and a prefix.
    private static let places = [0, 100, 108, 116, 124, 136, 148, 156, 157, 257, 345, 508]

    private var script: ArraySlice<UInt8>
    private var archive: [UInt8] = []

    init(_ script: ArraySlice<UInt8>) { self.script = script }

    /// The archive that the script makes.
    mutating func make() -> [UInt8] {
        while let step = script.popFirst(), archive.count < 1 << 20 {
            switch step & 7 {
            case 0 where step & 0x38 == 0: archive += taken()
            case 1: archive += [UInt8](repeating: 0, count: step & 8 == 0 ? 512 : 1024)
            case 2: addRecords(isForAll: step & 8 != 0, isBroken: step & 0x70 == 0)
            case 3:
                let isPath = step & 8 == 0
                let name = Array(choice(isPath ? Self.paths : Self.targets).utf8)
                add(type: UInt8(ascii: isPath ? "L" : "K"), data: name)
            default: addMember(step)
            }
        }
        if script.isEmpty { archive += [UInt8](repeating: 0, count: 1024) }
        return archive
    }

    private mutating func byte() -> Int { Int(script.popFirst() ?? 0) }

    private mutating func choice(_ values: [String]) -> String { values[byte() % values.count] }

    private mutating func taken() -> [UInt8] {
        let bytes = Array(script.prefix(byte()))
        script = script.dropFirst(bytes.count)
        return bytes
    }

    private mutating func addRecords(isForAll: Bool, isBroken: Bool) {
        var data: [UInt8] = []
        for _ in 0...byte() % 3 {
            let keyword = choice(Self.keywords)
            let value =
                switch keyword {
                case "path": choice(Self.paths)
                case "linkpath": choice(Self.targets)
                default: choice(Self.numbers)
                }
            PaxRecord(keyword, value).encode(into: &data)
        }
        if isBroken { data[byte() % data.count] = UInt8(byte()) }
        add(type: UInt8(ascii: isForAll ? "g" : "x"), data: data)
    }

    private mutating func addMember(_ step: UInt8) {
        var block = header(type: Self.types[byte() % Self.types.count])
        put(Array(choice(Self.paths).utf8), 0, 100, &block)
        put(Array(choice(Self.targets).utf8), 157, 100, &block)
        let size = step & 8 == 0 ? 0 : [1, 512, 513, 5000][byte() & 3]
        put(octal: size, 124, &block)
        switch step >> 4 {
        case 0: put(Self.fields[byte() % Self.fields.count], place(), 12, &block)
        case 1: put(taken(), place(), 155, &block)
        default: break
        }
        if step >> 4 != 2 { sum(&block) }
        archive += block + Self.padded([UInt8](repeating: step, count: size))
    }

    private mutating func place() -> Int { Self.places[byte() % Self.places.count] }

    private mutating func add(type: UInt8, data: [UInt8]) {
        var block = header(type: type)
        put(octal: data.count, 124, &block)
        sum(&block)
        archive += block + Self.padded(data)
    }

    private func header(type: UInt8) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: TarHeader.blockSize)
        block[0] = UInt8(ascii: "r")
        put(Array("0000755".utf8), 100, 8, &block)
        block[156] = type
        put(Array("ustar\u{0}00".utf8), 257, 8, &block)
        return block
    }

    private static func padded(_ data: [UInt8]) -> [UInt8] {
        let block = TarHeader.blockSize
        return data + [UInt8](repeating: 0, count: (block - data.count % block) % block)
    }

    private func put(_ bytes: [UInt8], _ start: Int, _ limit: Int, _ block: inout [UInt8]) {
        for (place, byte) in zip(start..<min(start + limit, block.count), bytes) {
            block[place] = byte
        }
    }

    private func put(octal number: Int, _ start: Int, _ block: inout [UInt8]) {
        put(Array(String(number, radix: 8).utf8) + [0], start, 12, &block)
    }

    private func sum(_ block: inout [UInt8]) {
        put([UInt8](repeating: 0x20, count: 8), 148, 8, &block)
        put(octal: block.reduce(0) { $0 + Int($1) }, 148, &block)
    }
}

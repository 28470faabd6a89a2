// SPDX-License-Identifier: Apache-2.0
import Agent
import Glibc

/// libFuzzer's driver, which calls `body` with each input.
@_extern(c, "LLVMFuzzerRunDriver")
func runFuzzer(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Trees that a hostile guest sends to the host: whatever comes, nothing outside the destination
/// changes.
///
///     FuzzTree -max_total_time=600 -max_len=512 CORPUS
@main enum FuzzTree {
    static func main() {
        Ground.prepare()
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        let result = unsafe runFuzzer(&count, &arguments) { start, count in
            // SAFETY: libFuzzer lends `count` bytes for the time of the call.
            FuzzTree.run(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
            return 0
        }
        exit(result)
    }

    /// The first byte says what is in the place already, and whether the others are bytes of frames
    /// or a script that gets further than most bytes do.
    static func run(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        Ground.clear(first & 3)
        let place = first & 4 == 0 ? "/in" : "/in/a"
        let destination = TreeDestination(
            path: Array((Ground.root + place).utf8), name: [UInt8(ascii: "b")],
            isContents: first & 8 != 0)
        var policy = TreePolicy()
        policy.followsLink = false
        policy.dropsSetID = true
        policy.byteLimit = 1 << 16
        policy.entryLimit = 64
        let writer = TreeWriter(destination, policy: policy)
        do throws(TreeFault) {
            if first & 16 == 0 {
                try obey(bytes.dropFirst(), writer)
            } else {
                try decode(bytes.dropFirst(), writer)
            }
        } catch {
            precondition(!error.message("x").isEmpty)
        }
        precondition(writer.currentPath.starts(with: Ground.root.utf8))
        Ground.check()
    }

    private static func decode(
        _ bytes: ArraySlice<UInt8>, _ writer: TreeWriter
    ) throws(TreeFault) {
        var decoder = FrameDecoder()
        var rest = bytes
        while true {
            guard let frame = try? decoder.next() else {
                guard !rest.isEmpty else { return }
                let taken = decoder.append(rest)
                guard taken > 0 else { return }
                rest = rest.dropFirst(taken)
                continue
            }
            switch frame {
            case .entry(let entry): try writer.take(entry)
            case .data(let data): try writer.take(data)
            case .endOfEntry: try writer.end()
            default: return
            }
        }
    }

    private static let names = ["", "a", "b", "c", "d", "outside", "canary", "in"]
    private static let targets = [
        "..", "../..", "../outside", "../../outside", "../../../outside", Ground.root + "/outside",
        "a", "../outside/canary",
    ]

    /// Two bytes are one step: what, and with which name and target.
    private static func obey(_ script: ArraySlice<UInt8>, _ writer: TreeWriter) throws(TreeFault) {
        var bytes = script.makeIterator()
        var isFirst = true
        while let operation = bytes.next(), let detail = bytes.next() {
            var name = names[Int(detail & 7)]
            if isFirst { name = "" }
            isFirst = false
            let mode = UInt16(operation) << 4 & 0o7777
            switch operation & 7 {
            case 0, 1: try writer.take(TreeEntry(.directory, name: Array(name.utf8), mode: mode))
            case 2: try writer.take(TreeEntry(.file, name: Array(name.utf8), mode: mode))
            case 3: try writer.take(Array(repeating: detail, count: Int(detail) * 8))
            case 4, 5: try writer.end()
            case 6: try writer.take(TreeEntry(.other, name: Array(name.utf8), mode: mode))
            default:
                var link = TreeEntry(.link, name: Array(name.utf8), mode: 0o777)
                link.target = Array(targets[Int(detail >> 3 & 7)].utf8)
                try writer.take(link)
            }
        }
    }
}

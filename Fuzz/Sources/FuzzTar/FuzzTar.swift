// SPDX-License-Identifier: Apache-2.0
import Agent
import Driver

/// Archives of anybody's that are unpacked in a guest: whatever they say, a tree travels, and the
/// agent that makes it changes nothing outside its destination.
///
///     FuzzTar -max_total_time=600 -max_len=4096 CORPUS
@main enum FuzzTar {
    static func main() {
        Ground.prepare()
        Fuzzer.search { bytes in
            TarScript.run(bytes) { unpack($0, onto: bytes.first ?? 0) }
        }
    }

    /// Makes the tree as an agent does; two bits of `choice` say what is in the place already.
    private static func unpack(_ frames: [Frame], onto choice: UInt8) {
        Ground.clear(choice >> 1 & 3)
        let destination = TreeDestination(
            path: Array((Ground.root + "/in").utf8), name: [], isContents: true)
        var policy = TreePolicy()
        policy.takesHardLinks = true
        policy.byteLimit = 1 << 16
        policy.entryLimit = 64
        let writer = TreeWriter(destination, policy: policy)
        do throws(TreeFault) {
            for frame in frames {
                switch frame {
                case .entry(let entry): try writer.take(entry)
                case .data(let data): try writer.take(data)
                case .endOfEntry: try writer.end()
                default: preconditionFailure("\(frame) in a tree")
                }
            }
        } catch {
            precondition(!error.message("x").isEmpty)
        }
        precondition(writer.currentPath.starts(with: Ground.root.utf8))
        Ground.check()
    }
}

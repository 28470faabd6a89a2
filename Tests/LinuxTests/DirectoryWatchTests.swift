// SPDX-License-Identifier: Apache-2.0
import Support
import Testing

@testable import Linux

@Suite struct DirectoryWatchTests {
    private func isReady(_ raw: CInt) -> Bool {
        var set = PollSet()
        set.add(raw, .readable)
        set.wait(milliseconds: 0)
        return set.isReadable(raw)
    }

    @Test func `What is written or renamed is told, and no more than that`() throws {
        let tree = try ScratchTree()
        let directory = try PrivateDirectory(tree.path)
        let file = try directory.make("log")
        let watch = try DirectoryWatch(tree.path)
        // A watch is not copied, as the macro would.
        let raw = watch.descriptor.rawValue
        #expect(!isReady(raw))
        // To look is no change.
        _ = try directory.read("log")
        #expect(!isReady(raw))
        _ = try file.write([1][...])
        #expect(isReady(raw))
        watch.drain()
        #expect(!isReady(raw))
        try directory.rename("log", to: "log.1")
        #expect(isReady(raw))
        watch.drain()
    }

    @Test(arguments: ["/nonexistent", "/proc/self/exe"])
    func `What is no directory cannot be watched`(_ path: String) {
        do throws(Errno) {
            _ = try DirectoryWatch(path)
            Issue.record("it is watched")
        } catch {
            #expect(error == .noEntry || error == .notDirectory)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

import struct Linux.ChildProcess
import struct Linux.PollSet

/// A program on a pseudo-terminal of its own, as a person sees and types to it.
final class PseudoTerminal {
    private let master: Int32
    private var process: ChildProcess?
    private var screen: [UInt8] = []

    /// Starts `program` on a terminal of this size.
    init(_ program: String, _ arguments: [String], rows: UInt16, columns: UInt16) throws {
        master = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var number: Int32 = 0
        // TIOCSPTLCK with 0 unlocks it; TIOCGPTN tells its number.
        try #require(master >= 0)
        try #require(unsafe ioctl(master, 0x4004_5431, &number) == 0)
        try #require(unsafe ioctl(master, 0x8004_5430, &number) == 0)
        let path = "/dev/pts/\(number)"
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
        resize(rows: rows, columns: columns)
        // setsid(1) makes the terminal the program's own, so that Ctrl-C and resizing signal it.
        let command = "exec \"$@\" < \(path) > \(path) 2>&1"
        let terminal = try #require(FileHandle(forUpdatingAtPath: path))
        process = try RunningProgram.start(
            "setsid", ["--ctty", "--wait", "sh", "-c", command, "sh", program] + arguments,
            ["TERM": "vt100"], [terminal, terminal, terminal])
    }

    deinit {
        process?.send(.kill)
        process?.forget()
        close(master)
    }

    func resize(rows: UInt16, columns: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = unsafe ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    func type(_ keys: String) {
        let bytes = Array(keys.utf8)
        _ = unsafe write(master, bytes, bytes.count)
    }

    /// Waits until `text` has been shown since the last call; what came before it is forgotten.
    func shows(_ text: String, seconds: Double = 60) -> Bool {
        let wanted = Array(text.utf8)
        var place: Range<Int>?
        _ = RunningProgram.wait(seconds: seconds) {
            self.read()
            place = self.screen.firstRange(of: wanted)
            return place != nil
        }
        guard let place else { return false }
        screen.removeSubrange(..<place.upperBound)
        return true
    }

    /// What has been shown and not been waited for.
    var rest: String { String(decoding: screen, as: UTF8.self) }

    private func read() {
        var block = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe Glibc.read(master, &block, block.count)
            guard count > 0 else { return }
            screen += block[..<count]
        }
    }

    /// Waits for the program's end; its status.
    func end(seconds: Double = 60) -> Int32? {
        guard let watch = process?.descriptor.rawValue else { return nil }
        var set = PollSet()
        set.add(watch, .readable)
        set.wait(milliseconds: Int32(seconds * 1000))
        guard set.isReadable(watch), let child = process.take() else { return nil }
        read()
        return Int32(child.reap().shellStatus)
    }
}

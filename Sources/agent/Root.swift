// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// A root file system on a disk, as the kernel's command line names it (`root=`, `ro`, `rw`).
///
/// The kernel itself leaves these words to the initramfs, which is us.
final class Root {
    /// What is tried, in order.
    private static var kinds: [Kind] {
        [
            Kind(name: "ext4", isWritable: true), Kind(name: "erofs", isWritable: false),
            Kind(name: "squashfs", isWritable: false), Kind(name: "xfs", isWritable: true),
            Kind(name: "btrfs", isWritable: true),
        ]
    }

    /// A kind of file system.
    private struct Kind {
        let name: String
        let isWritable: Bool
    }

    private static var place: String { "/root.new" }
    /// mount(2)
    private static var readOnly: UInt32 { 1 }
    /// Errors that a file system answers which would do, were it not asked to write.
    private static var refusals: [Int32] { [13, 30] }
    /// Milliseconds that programs have for their end.
    private static var grace: Int32 { 2000 }

    private var device: [UInt8] = []
    /// What the command line calls a partition of the first disk.
    private var partition: [UInt8] = []
    private var wantsWriting = true
    /// Whether the disk's file system is the root.
    private(set) var isEntered = false
    /// Whether it can be written to.
    private(set) var isWritable = false

    var isWanted: Bool { !device.isEmpty }

    /// The disk that partitions are looked for on: the root drive is always the first.
    private static var disk: String { "/dev/vda" }

    /// The device's name, for a message.
    var name: String { String(decoding: device, as: UTF8.self) }

    /// Takes a word of the command line.
    func obey(_ word: ArraySlice<UInt8>) {
        let prefix = Array("root=/dev/".utf8)
        if word.starts(with: prefix) { device = Array(word.dropFirst("root=".utf8.count)) }
        let name = Array("root=PARTUUID=".utf8)
        if word.starts(with: name) {
            device = Array(word.dropFirst("root=".utf8.count))
            partition = Array(word.dropFirst(name.count))
        }
        if word.elementsEqual(Array("ro".utf8)) { wantsWriting = false }
        if word.elementsEqual(Array("rw".utf8)) { wantsWriting = true }
    }

    /// Mounts the device and makes it the root; a negated errno if nothing can be mounted.
    func enter() -> Int32 {
        findPartition()
        var result: Int32 = 0
        for kind in Self.kinds {
            if wantsWriting, kind.isWritable {
                result = mount(kind.name, 0)
                if result >= 0 { return move(isWritable: true) }
                guard Self.refusals.contains(0 &- result) else { continue }
            }
            result = mount(kind.name, Self.readOnly)
            if result >= 0 { return move(isWritable: false) }
        }
        return result
    }

    /// Puts a device in place of the partition's name. Without one there is nothing to mount.
    private func findPartition() {
        guard !partition.isEmpty,
            let start = contents(of: Self.disk, limit: PartitionTable.byteCount),
            let number = PartitionTable.number(of: partition[...], on: start)
        else { return }
        device = Array(Self.disk.utf8) + Array("\(number)".utf8)
    }

    private func move(isWritable: Bool) -> Int32 {
        let result = guest_enter_root(Strings(Self.place).bytes.span)
        guard result >= 0 else { return result }
        isEntered = true
        self.isWritable = isWritable
        return 0
    }

    private func mount(_ type: String, _ flags: UInt32) -> Int32 {
        var strings = Strings()
        strings.append(device)
        for string in [Self.place, type, ""] { strings.append(Array(string.utf8)) }
        return guest_mount(strings.bytes.span, flags)
    }

    /// Ends all programs, and then all writing.
    func leave() {
        guard isEntered else { return }
        guest_signal_all(Signal.terminate)
        guest_await_all(Self.grace)
        guest_signal_all(Signal.kill)
        guest_await_all(Self.grace)
        guest_sync()
        let result = guest_seal_root()
        if result < 0, isWritable {
            Setup.report(
                "swiftlet-agent: the root file system is still written to (error \(-result))")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Hypervisor
import Memory
import Support
import Testing

@testable import KVM

/// Memory beside RAM, as a guest finds it: files, and blocks that are plugged.
@Suite struct FarMemoryTests {
    /// A word, then at 0x100 a function that answers 0xc0de.
    static let contents: [UInt8] =
        [0xef, 0xbe, 0xad, 0xde] + [UInt8](repeating: 0, count: 0xfc)
        + [0xb8, 0xde, 0xc0, 0, 0, 0xc3]

    @Test(arguments: TestedEngine.usable)
    func `What a guest writes to persistent memory is in the file`(_ engine: TestedEngine) throws {
        let file = try ScratchFile(byteCount: 2 << 20)
        try file.write(Self.contents)
        let machine = try SmallMachine(
            engine, try GuestImage("far"),
            persistent: [try PersistentFile(file.path, isReadOnly: false)],
            prepare: { $0.otherProcessors = 0x40 })
        #expect(
            try machine.run()
                == "deadbeef 11223344 00000001 05060708 0000c0de ffffffff ffffffff far\n")
        #expect(
            try file.read(count: 24)
                == Self.contents[..<4] + [0x44, 0x33, 0x22, 0x11, 1, 0, 0, 0, 0, 0, 0, 0]
                + [4, 3, 2, 1, 8, 7, 6, 5])
    }

    @Test(arguments: TestedEngine.usable)
    func `What a guest writes to a read-only file goes to nobody`(_ engine: TestedEngine) throws {
        let file = try ScratchFile(byteCount: 2 << 20)
        try file.write(Self.contents)
        let machine = try SmallMachine(
            engine, try GuestImage("far"),
            persistent: [try PersistentFile(file.path, isReadOnly: true)],
            prepare: { $0.otherProcessors = 0x40 })
        #expect(
            try machine.run()
                == "deadbeef 00000000 00000000 00000000 0000c0de ffffffff ffffffff far\n")
        #expect(try file.read(count: Self.contents.count) == Self.contents)
    }

    /// The software engine's process ends at once, with the same sentence: ``PmemTests``.
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"), arguments: [true, false])
    func `A guest whose file has become shorter goes no further on KVM`(isReadOnly: Bool) throws {
        let file = try ScratchFile(byteCount: 2 << 20)
        let machine = try SmallMachine(
            .kvm, try GuestImage("far"),
            persistent: [try PersistentFile(file.path, isReadOnly: isReadOnly)],
            prepare: { $0.otherProcessors = 0x40 })
        try file.resize(0)
        let failure = #expect(throws: SmallMachine.Failure.self) { try machine.run() }
        let text = failure?.description ?? ""
        #expect(text.contains("the file \(file.path), the guest's persistent memory"), "\(text)")
        #expect(machine.bus.said.isEmpty, "\(machine.bus.said)")
        #expect(machine.memory.lostFile?.path == file.path)
    }

    /// As where a disk is full: the file is as long as it was, and a page of it cannot be had. The
    /// monitor ends with another status for that than for what an engine cannot do.
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A page that the host cannot give is memory lost on KVM, and no other failure`() throws {
        let file = try ScratchFile(byteCount: 2 << 20)
        let machine = try SmallMachine(
            .kvm, try GuestImage("far"),
            persistent: [try PersistentFile(file.path, isReadOnly: false)],
            prepare: { $0.otherProcessors = 0x40 })
        let region = machine.memory.persistent[0].region
        let start = unsafe UnsafeMutableRawPointer(bitPattern: region.hostAddress)
        try #require(unsafe mprotect(start, Int(region.byteCount), PROT_NONE) == 0)
        let failure = #expect(throws: SmallMachine.Failure.self) { try machine.run() }
        let text = failure?.description ?? ""
        #expect(text.contains("memory lost: "), "\(text)")
        #expect(text.contains("the file \(file.path), the guest's persistent memory"), "\(text)")
        #expect(machine.memory.lostFile == nil)
    }

    @Test(arguments: TestedEngine.usable)
    func `A guest reaches plugged blocks and no others`(_ engine: TestedEngine) throws {
        let machine = try SmallMachine(
            engine, try GuestImage("far"),
            pluggable: PluggableSize(byteCount: 8 << 20),
            prepare: { $0.otherProcessors = 0x20 })
        let memory = machine.memory
        try memory.plug(blocks: 0..<4)
        try memory.unplug(blocks: 1..<4)
        try memory.write(Self.contents, at: GuestAddress(PluggableMemory.base))
        #expect(
            try machine.run()
                == "deadbeef 11223344 00000001 05060708 0000c0de ffffffff ffffffff far\n")
        #expect(
            try memory.load(UInt32.self, at: GuestAddress(PluggableMemory.base + 4)) == 0x1122_3344)
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `More blocks than KVM keeps apart are refused in a sentence`() throws {
        // The kernel of today keeps 32,764 pieces apart.
        let limit = try KVMDevice().check(.memorySlots)
        let blocks = UInt64(limit)
        try #require(blocks * PluggableSize.leastBlock <= GuestMemory.maximum)
        for (count, fits) in [(blocks - 1, true), (blocks, false)] {
            let memory = try GuestMemory(
                byteCount: 32 << 20,
                pluggable: PluggableSize(byteCount: count * PluggableSize.leastBlock))
            let make = {
                try KVMVirtualMachine(
                    device: try KVMDevice(), memory: memory, bus: GuestBus(),
                    configuration: .init(cpuCount: 1), kind: .hardware)
            }
            if fits {
                _ = try make()
            } else {
                #expect(throws: KVMError.memorySlots(Int(blocks) + 1, limit: limit)) {
                    try make()
                }
            }
        }
    }
}

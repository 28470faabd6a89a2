// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation
import Glibc
import Hypervisor
import Linux
import Testing

@testable import KVM

/// What is said where KVM cannot be used, and what is remembered where it can.
@Suite struct HostTests {
    private let folder = FileManager.default.temporaryDirectory
        .appending(path: "swiftlet-kvm-\(UUID().uuidString)").path

    private func memo(boot: String = "first") throws -> HostMemo {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        let path = folder + "/boot-\(boot)"
        try Data((boot + "\n").utf8).write(to: URL(filePath: path))
        return HostMemo(directory: folder + "/memo", bootIDPath: path)
    }

    @Test func `A missing device has its own sentence`() throws {
        let host = KVMHost.detect(path: "/nonexistent/kvm", memo: nil)
        #expect(host.kind == nil)
        #expect(host.error == .noDevice("/nonexistent/kvm"))
        #expect("\(host)".hasPrefix("there is no /nonexistent/kvm: "))
    }

    @Test func `A device that may not be opened has its own sentence`() throws {
        try Data().write(to: URL(filePath: folder))
        defer { unsafe unlink(folder) }
        try #require(unsafe chmod(folder, 0) == 0)
        // Root may open every file, so this thread is somebody else for a moment.
        let before = setfsuid(65534)
        let host = KVMHost.detect(path: folder, memo: nil)
        _ = setfsuid(uid_t(bitPattern: before))
        #expect(host.error == .noPermission(folder))
        #expect("\(host)".contains("usermod -aG kvm"))
    }

    @Test func `A file that is none of KVM's has its own sentence`() throws {
        let host = KVMHost.detect(path: "/dev/null", memo: nil)
        guard case .device("/dev/null", _) = host.error else {
            Issue.record("\(host)")
            return
        }
        #expect("\(host)".hasPrefix("/dev/null cannot be used as a KVM device: "))
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `Another version of the interface has its own sentence`() throws {
        #expect(throws: KVMError.apiVersion(12, expected: 13)) { _ = try version13() }
        #expect(
            "\(KVMError.apiVersion(11, expected: 12))"
                == "KVM on this host speaks version 11 of its interface, and only version 12 is "
                + "usable")
    }

    private func version13() throws -> Bool {
        let device = try KVMDevice(version: 13)
        return device.check(.irqChip) != 0
    }

    @Test func `What mends it is told apart`() {
        let busy = KVMError.request(.createVM, .busy)
        #expect("\(busy)".hasPrefix("another hypervisor has the processor's virtualization"))
        #expect(busy.isHeldByAnother)
        #expect(!KVMError.request(.createVM, .invalid).isHeldByAnother)
        #expect(!KVMError.request(.createVCPU, .busy).isHeldByAnother)
        #expect(KVMError.apiVersion(11, expected: 12).needsNewerKernel)
        #expect(!KVMError.apiVersion(13, expected: 12).needsNewerKernel)
        #expect(KVMError.missing(.immediateExit).needsNewerKernel)
        #expect(!busy.needsNewerKernel)
    }

    @Test func `Each missing capability is named`() {
        for capability in Capability.required {
            #expect("\(KVMError.missing(capability))".contains("KVM_CAP_"))
        }
    }

    /// Where the kernel does not count, what was only slow is not remembered as emulation.
    @Test(
        arguments: [
            (.count(3), false, true), (.count(1000), true, true), (.time(2_000), false, true),
            (.time(150_000), false, true), (.time(250_000), true, false), (.memory, false, true),
        ] as [(KVMHost.Evidence, Bool, Bool)])
    func `What the trial says of the host`(
        _ row: (evidence: KVMHost.Evidence, isEmulated: Bool, holdsForBoot: Bool)
    ) {
        #expect(row.evidence.isEmulated == row.isEmulated)
        #expect(row.evidence.holdsForBoot == row.holdsForBoot)
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `Where the kernel does not count, the time decides the same`() throws {
        let evidence = try timed()
        guard case .time = evidence else {
            Issue.record("\(evidence)")
            return
        }
        #expect(evidence.isEmulated == HostKVM.isEmulated)
    }

    private func timed() throws -> KVMHost.Evidence {
        try KVMHost.Scratch.run(on: try KVMDevice(), mayCount: false)
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `What was found out is remembered for the boot`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let memo = try memo()
        let first = KVMHost.detect(memo: memo)
        #expect(first.evidence != .memory)
        let second = KVMHost.detect(memo: memo)
        #expect(second.kind == first.kind)
        #expect(second.evidence == .memory)
        // What a processor answers of itself says which one was asked.
        let others: Set<UInt32> = [1, 0xb, 0x1f, 0x8000_001e]
        let table = try #require(second.supported)
        let asked = try KVMDevice().supportedCPUID()
        #expect(!table.entries.isEmpty)
        #expect(
            table.entries.filter { !others.contains($0.leaf) }
                == asked.entries.filter { !others.contains($0.leaf) })
        // After the next boot it is found out again.
        #expect(KVMHost.detect(memo: try self.memo(boot: "second")).evidence != .memory)
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A memory that others can write is not believed`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let memo = try memo()
        let kind = KVMHost.detect(memo: memo).kind
        let path = folder + "/memo/kvm-host"
        let honest = try #require(FileManager.default.contents(atPath: path))

        try #require(unsafe chmod(path, 0o666) == 0)
        #expect(KVMHost.detect(memo: memo).evidence != .memory)

        // A link, also to a file that would do.
        let other = folder + "/other"
        try honest.write(to: URL(filePath: other))
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: other)
        #expect(KVMHost.detect(memo: memo).evidence != .memory)

        var hostile = ["", "x", String(repeating: "y", count: 20_000), "soft\n"].map {
            Data($0.utf8)
        }
        // Cut short, too long, of no entries, of more than there are.
        let line = try #require(honest.firstIndex(of: 0x0a))
        hostile += [honest[...line], honest.dropLast(), honest.dropLast(40), honest + [0]]
        for count in [0, 1, 255, UInt8.max] where honest[line + 1] != count {
            var other = honest
            other[line + 1] = count
            hostile.append(other)
        }
        for bytes in hostile {
            try? FileManager.default.removeItem(atPath: path)
            try bytes.write(to: URL(filePath: path))
            try #require(unsafe chmod(path, 0o600) == 0)
            let host = KVMHost.detect(memo: memo)
            #expect(host.kind == kind)
            #expect(host.evidence != .memory)
        }

        // A directory in which others may put what they like.
        try #require(unsafe chmod(folder + "/memo", 0o777) == 0)
        #expect(KVMHost.detect(memo: memo).evidence != .memory)
        #expect(KVMHost.detect(memo: memo).kind == kind)
    }

    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `Without a place to remember it is found out each time`() {
        let memo = HostMemo(directory: "/nonexistent/swiftlet")
        #expect(KVMHost.detect(memo: memo).evidence != .memory)
        #expect(KVMHost.detect(memo: memo).kind == HostKVM.host.kind)
    }
}

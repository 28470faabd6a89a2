// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux

/// `/dev/kvm`: what the kernel can do, and where virtual machines come from.
package struct KVMDevice: ~Copyable, Sendable {
    /// The one version of the interface since 2007.
    package static var apiVersion: Int32 { Int32(bitPattern: CKVM_API_VERSION) }
    /// Where distributions put it.
    package static var usualPath: String { "/dev/kvm" }

    /// Most entries of CPUID that are asked for; kernels know about 50.
    static var entryLimit: Int { 256 }
    /// Most registers that are asked for; kernels know about 200.
    private static var registerLimit: Int { 1024 }

    private let descriptor: FileDescriptor

    /// Opens the device at `path` and checks that it speaks `version` of the interface.
    package init(
        path: String = usualPath, version expected: Int32 = apiVersion
    ) throws(KVMError) {
        let opened = try Self.open(path)
        try Self.check(opened, path, expected)
        descriptor = opened
    }

    private static func check(
        _ opened: borrowing FileDescriptor, _ path: String, _ expected: Int32
    ) throws(KVMError) {
        let version: CInt
        do throws(KVMError) {
            version = try opened.perform(.getAPIVersion)
        } catch {
            guard case .request(_, let errno) = error else { throw error }
            throw .device(path, errno)
        }
        guard version == expected else { throw .apiVersion(version, expected: expected) }
    }

    private static func open(_ path: String) throws(KVMError) -> FileDescriptor {
        do throws(Errno) {
            return try FileDescriptor.open(path, flags: FileSystem.readingAndWriting)
        } catch {
            switch error {
            case .noEntry, .noDevice, .noSuchAddress: throw .noDevice(path)
            case .noAccess, .notPermitted: throw .noPermission(path)
            default: throw .device(path, error)
            }
        }
    }

    /// What the kernel answers for `capability`: 0 if it lacks it, else 1 or a number that means
    /// something for it.
    package func check(_ capability: Capability) -> Int {
        Int((try? descriptor.perform(.checkExtension, value: UInt(capability.rawValue))) ?? 0)
    }

    /// The first of `capabilities` that is not there.
    func require(_ capabilities: [Capability]) throws(KVMError) {
        for capability in capabilities where check(capability) == 0 {
            throw .missing(capability)
        }
    }

    /// Bytes of the page (or pages) that a vCPU shares with this process.
    func vcpuMapSize() throws(KVMError) -> Int { Int(try descriptor.perform(.getVCPUMapSize)) }

    /// Makes a virtual machine without anything in it.
    func makeVM() throws(KVMError) -> VMDescriptor {
        // Creation is broken off by signals.
        for _ in 0..<4 {
            do throws(KVMError) {
                return VMDescriptor(FileDescriptor(adopting: try descriptor.perform(.createVM)))
            } catch .request(.createVM, .interrupted) {
                continue
            }
        }
        return VMDescriptor(FileDescriptor(adopting: try descriptor.perform(.createVM)))
    }

    /// All of CPUID that the host's processor and kernel can offer a guest.
    package func supportedCPUID() throws(KVMError) -> CPUIDTable {
        var words = [UInt32](repeating: 0, count: 2 + Self.entryLimit * CPUIDWords.count)
        words[0] = UInt32(Self.entryLimit)
        try descriptor.perform(.getSupportedCPUID, words: &words)
        return CPUIDWords.table(words)
    }

    /// The model-specific registers that make up a guest's state.
    package func stateRegisters() throws(KVMError) -> [UInt32] {
        var words = [UInt32](repeating: 0, count: 1 + Self.registerLimit)
        words[0] = UInt32(Self.registerLimit)
        try descriptor.perform(.getMSRIndexList, words: &words)
        return Array(words[1..<(1 + min(Int(words[0]), Self.registerLimit))])
    }
}

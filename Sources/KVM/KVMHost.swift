// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux
import Memory

/// What KVM is on this host, and whether the kernels of its guests run natively.
///
/// Some hosts offer KVM without a processor's virtualization (PVM): guest user code runs natively
/// there, and guest kernels are emulated, about a thousand times slower. Nothing says so, so it is
/// tried: a scratch machine executes a thousand instructions of kernel code.
package struct KVMHost: Hashable, Sendable {
    /// How it was found out that guest kernels are emulated, or not.
    package enum Evidence: Hashable, Sendable {
        /// The kernel's own count of emulated instructions, of ``Scratch/instructions``.
        case count(UInt64)
        /// The least time that they took, in nanoseconds: this kernel does not count.
        case time(UInt64)
        /// Remembered since this host has booted.
        case memory
    }

    /// Nil: no machine can be made. Never `soft`.
    package let kind: EngineKind?
    /// Why there is none.
    package let error: KVMError?
    package let evidence: Evidence?
    /// All of CPUID that guests can be offered; nil if that was not asked.
    package let supported: CPUIDTable?
    /// Nanoseconds that the finding out took.
    package let duration: UInt64

    /// Nanoseconds that the trial took; nil: there was none.
    package var trial: UInt64? { evidence == nil || evidence == .memory ? nil : duration }

    /// True if guests run as fast as the processor is.
    package var runsKernelsNatively: Bool { kind == .hardware || kind == .nested }

    /// Finds out, or remembers.
    ///
    /// - Parameters:
    ///   - path: Of the device.
    ///   - memo: Where the answer is kept for the host's boot; nil: nowhere.
    package static func detect(
        path: String = KVMDevice.usualPath, memo: HostMemo? = .usual
    ) -> KVMHost {
        let start = Clock.monotonic
        do throws(KVMError) {
            // First of all: a remembered answer is of no use to who may not open the device.
            return detect(on: try KVMDevice(path: path), path: path, memo: memo)
        } catch {
            return KVMHost(error: error, since: start)
        }
    }

    /// As ``detect(path:memo:)``, of a device that is open already.
    package static func detect(
        on device: borrowing KVMDevice, path: String, memo: HostMemo? = .usual
    ) -> KVMHost {
        let start = Clock.monotonic
        do throws(KVMError) {
            if let facts = memo?.recall(device: path) {
                return KVMHost(
                    kind: facts.kind, evidence: .memory, supported: facts.supported, since: start)
            }
            try device.require(Capability.required)
            let evidence = try Scratch.run(on: device)
            let kind: EngineKind =
                evidence.isEmulated ? .pvm : isInsideMachine ? .nested : .hardware
            let supported = try device.supportedCPUID()
            if evidence.holdsForBoot {
                memo?.keep(HostMemo.Facts(kind: kind, supported: supported), device: path)
            }
            return KVMHost(
                kind: kind, evidence: evidence, supported: supported, since: start)
        } catch {
            return KVMHost(error: error, since: start)
        }
    }

    private init(
        kind: EngineKind, evidence: Evidence, supported: CPUIDTable, since start: UInt64
    ) {
        self.kind = kind
        self.evidence = evidence
        self.supported = supported
        error = nil
        duration = Clock.monotonic &- start
    }

    private init(error: KVMError, since start: UInt64) {
        kind = nil
        evidence = nil
        supported = nil
        self.error = error
        duration = Clock.monotonic &- start
    }

    /// The host's own processor says that there is a hypervisor below it.
    private static var isInsideMachine: Bool {
        clinux_cpuid(1, 0).ecx >> 31 & 1 != 0
    }
}

extension KVMHost.Evidence {
    /// A thousand instructions take a processor a microsecond, and an emulator a millisecond or more.
    /// Of the counted ones a few are emulated everywhere: the port access.
    var isEmulated: Bool {
        switch self {
        case .count(let count): count > KVMHost.Scratch.instructions / 2
        case .time(let nanoseconds): nanoseconds > 200_000
        case .memory: false
        }
    }

    /// A host that was only slow may be quicker when it is asked again.
    var holdsForBoot: Bool {
        if case .time = self { !isEmulated } else { true }
    }
}

extension KVMHost: CustomStringConvertible {
    /// One sentence.
    package var description: String {
        switch kind {
        case .hardware: "KVM runs guests on the processor's own virtualization"
        case .nested: "KVM runs guests natively, inside a virtual machine"
        case .pvm:
            "KVM emulates the kernels of its guests on this host (PVM), about a thousand times "
                + "slower than the processor"
        case .soft, nil: error.map { "\($0)" } ?? "there is no KVM"
        }
    }
}

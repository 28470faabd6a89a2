// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import KVM
import Linux
import Memory

/// All that a machine is made from.
package struct MachineConfiguration: Sendable {
    /// Who executes the guest's instructions.
    package enum EngineChoice: String, CaseIterable, Sendable {
        case auto, kvm, soft
    }

    /// How guest memory is backed.
    package enum HugePages: Sendable {
        case none, transparent, twoMiB

        var ofMemory: GuestMemory.HugePages {
            switch self {
            case .none: .none
            case .transparent: .transparent
            case .twoMiB: .twoMiB
            }
        }
    }

    /// The guest's end of the vsock device and its Unix socket on the host.
    package struct Vsock: Hashable, Sendable {
        package var cid: UInt32
        package var path: String
        /// Calls of the guest for which sockets are made beforehand.
        package var reserve = 0

        package init(cid: UInt32, path: String) {
            self.cid = cid
            self.path = path
        }
    }

    /// Memory that the guest lends to the host.
    package struct Balloon: Hashable, Sendable {
        /// What it is to have.
        package var mebibytes: UInt32
        package var deflatesOnOOM = false
        /// Seconds between statistics; 0: none.
        package var statisticsInterval: UInt16 = 0
        package var hints = false
        package var reports = false

        package init(mebibytes: UInt32) { self.mebibytes = mebibytes }
    }

    /// Memory that the guest can be given while it runs; all in bytes.
    package struct Hotplug: Hashable, Sendable {
        package var byteCount: UInt64
        package var blockSize: UInt64
        /// What it is to plug from the start.
        package var requested: UInt64

        package init(byteCount: UInt64, blockSize: UInt64, requested: UInt64 = 0) {
            self.byteCount = byteCount
            self.blockSize = blockSize
            self.requested = requested
        }
    }

    package var kernelPath: String
    package var initrdPath: String?
    package var commandLine: String
    package var cpuCount = 1
    /// Processors that the guest is told are threads of one core: 1, or 2 of an even number.
    package var threadsPerCore = 1
    package var memoryBytes: UInt64 = 128 << 20
    package var hugePages = HugePages.none
    package var prefault = false
    package var engine = EngineChoice.auto
    /// The device of ``EngineChoice/kvm``.
    package var kvmPath = KVMDevice.usualPath
    /// The version of KVM's interface that is insisted on; tests ask for another.
    package var kvmVersion = KVMDevice.apiVersion
    /// Where it is noted what KVM is here; nil: nowhere.
    package var memoDirectory = PrivateFile.usualDirectory
    /// Changes to the processors before their first instruction.
    package var template: CPUTemplate?
    /// The host's CPU that each processor's thread stays on, by index; those left out go anywhere.
    package var affinity: [Int] = []
    package var deterministic = false
    package var vsock: Vsock?
    package var networks: [Network] = []
    /// TAP devices that are open already, by what the host's programs call their interfaces.
    package var links: [String: OpenLink] = [:]
    package var metadata: MetadataLink?
    package var entropy = false
    /// Limits of ``entropy``; nil: none, for ever.
    package var entropyLimits: Limits?
    package var balloon: Balloon?
    package var hotplug: Hotplug?
    /// In the guest's order: the first is `/dev/vda`.
    package var drives: [Drive] = []
    /// In the guest's order.
    package var pmems: [Pmem] = []
    package var debugExit = false
    /// Called once the guest has written to the boot timer, on the thread of its processor: with
    /// `Clock.monotonic` and what the process had used of the host's processors, in nanoseconds.
    package var bootMarked: @Sendable (_ time: UInt64, _ processorTime: UInt64) -> Void = { _, _ in
    }
    /// Descriptors of the serial console, which stay the caller's; nil: nobody there.
    package var serialInput: CInt?
    package var serialOutput: CInt?
    /// Of the serial console's output, a token a byte; nil: none.
    package var serialLimit: Bucket?
    /// The first thing that each thread of the machine does: gives up what its role does not need.
    package var confine: @Sendable (ThreadRole) -> Void = { _ in }

    package init(kernelPath: String, commandLine: String) {
        self.kernelPath = kernelPath
        self.commandLine = commandLine
    }
}

/// How a machine came to its end.
package enum MachineEnd: Hashable, Sendable {
    case powerOff
    case reset
    /// The guest wrote this value to the debug-exit port.
    case debugExit(UInt32)
    /// A triple fault; the text says where.
    case shutdown(String)
    /// The host took away what lay behind the guest's memory; the text says what.
    case memoryLost(String)
    /// The monitor could not go on; the text says why.
    case failed(String)
}

/// When a machine got how far. Times are on `Clock.monotonic`, in nanoseconds.
package struct MachineTimeline: Hashable, Sendable {
    package var created: UInt64?
    package var firstInstruction: UInt64?
    /// When the kernel handed over to the first program, and after how many instructions, if the
    /// engine can tell.
    package var userEntry: UInt64?
    package var userEntryInstructions: UInt64?
    /// When the guest wrote to the boot timer.
    package var bootTimer: UInt64?
    /// Processor time of the process, all its threads since it was made, to that moment; what its
    /// threads did beside the guest since its first instruction is left out in part.
    package var bootTimerProcessorTime: UInt64?
    /// Instructions retired from kernel entry to that moment.
    package var bootTimerInstructions: UInt64?
    /// Instructions retired so far by all processors, if the engine counts them.
    package var instructions: UInt64?
    /// Accesses to devices and other exits from guest code so far.
    package var exits: UInt64 = 0
    /// Instructions that the software processor has completed for KVM, by opcode.
    package var completed: [String: UInt64] = [:]

    package init() {}
}

// SPDX-License-Identifier: Apache-2.0
import Boot
import KVM
import Memory

/// Why a machine cannot be made. Nothing has been started.
package enum MachineError: Error {
    case cpuCount(Int)
    case memory(MemoryError)
    /// A kernel or initrd file that cannot be read: which, its path, and the reason.
    case file(String, path: String, reason: String)
    case boot(BootError, kernel: String)
    /// The hardware engine was asked for.
    case kvm(KVMError)
    case device(String)
    case host(String)
}

extension MachineError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cpuCount(let count): "\(count) processors: it must be 1 to 32"
        case .memory(let error): "\(error)"
        case .file(let what, let path, let reason):
            "The \(what) file \(path) cannot be opened: \(reason)"
        case .boot(let error, let kernel): "kernel \(kernel): \(error)"
        case .kvm(let error): "\(error); --engine soft needs no KVM"
        case .device(let text): text
        case .host(let text): text
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Linux

/// Why KVM did not do what was asked of it.
package enum KVMError: Error, Hashable, Sendable {
    /// There is no such device.
    case noDevice(String)
    /// The device is there, and this user may not open it.
    case noPermission(String)
    /// The device cannot be opened for another reason, or is none of KVM's.
    case device(String, Errno)
    /// Another version of the interface than the one that is spoken here.
    case apiVersion(Int32, expected: Int32)
    /// Something that the engine cannot do without.
    case missing(Capability)
    /// More processors than the kernel allows: wanted, allowed.
    case processorCount(Int, limit: Int)
    /// More pieces of memory than the kernel keeps apart: wanted, allowed.
    case memorySlots(Int, limit: Int)
    /// A request that the kernel refused.
    case request(Request, Errno)
    /// A register that the kernel does not take: number and value.
    case modelSpecificRegister(UInt32, UInt64)
    /// The trial machine did something else than it was to do.
    case scratch(String)
    /// A CPU template that does not fit this processor, or a state that is none.
    case engine(EngineError)
}

extension KVMError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noDevice(let path):
            "there is no \(path): the kernel has no KVM, its module is not loaded, or the device "
                + "has not been given to this container"
        case .noPermission(let path):
            "\(path) may not be opened by this user; add the user to the group kvm: "
                + "sudo usermod -aG kvm $USER, then log in again"
        case .device(let path, let errno):
            "\(path) cannot be used as a KVM device: \(errno)"
        case .apiVersion(let version, let expected):
            "KVM on this host speaks version \(version) of its interface, and only version "
                + "\(expected) is usable"
        case .missing(let capability):
            "KVM on this host lacks \(capability), which the kvm engine needs"
        case .processorCount(let count, let limit):
            "\(count) processors: KVM on this host allows \(limit)"
        case .memorySlots(let count, let limit):
            "memory in \(count) pieces: KVM on this host allows \(limit); larger blocks of"
                + " hot-plugged memory make fewer"
        case .request(.createVM, .busy):
            "another hypervisor has the processor's virtualization, which only one can have at a "
                + "time"
        case .request(let request, let errno): "KVM refused \(request): \(errno)"
        case .modelSpecificRegister(let number, let value):
            "KVM refused the value 0x\(String(value, radix: 16)) for the model-specific register "
                + "0x\(String(number, radix: 16))"
        case .scratch(let exit): "KVM on this host does not run a guest of ten bytes: \(exit)"
        case .engine(let error): "\(error)"
        }
    }

    /// Another hypervisor is to let go of the processor's virtualization.
    package var isHeldByAnother: Bool { self == .request(.createVM, .busy) }

    /// It takes a newer kernel.
    package var needsNewerKernel: Bool {
        switch self {
        case .apiVersion(let version, let expected): version < expected
        case .missing: true
        default: false
        }
    }

    /// The same, as every engine says it.
    var asEngineError: EngineError {
        switch self {
        case .engine(let error): error
        case .request(let request, let errno): .refused("\(request)", reason: "\(errno)")
        default: .state("\(self)")
        }
    }
}

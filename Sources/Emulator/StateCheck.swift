// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// What the software processor must be sure of before it takes a state over, which may come from
/// another engine or from a file.
struct StateCheck {
    private let state: CPUState

    init(_ state: CPUState) { self.state = state }

    /// The x87 and SSE part of the image, parts in their initial state filled in.
    var image: [UInt8] {
        var area = ExtendedArea(state.floatingPoint.image)
        for part in [ExtendedArea.x87, ExtendedArea.sse] where area.inUse & part == 0 {
            area.clear(part)
        }
        return area.bytes
    }

    /// The part that does not fit; nil: all is well.
    var refusal: String? {
        let system = state.system
        if state.general.rflags & ControlBits.vm != 0 { return "virtual 8086 mode" }
        if system.cr0 & ~(ControlBits.cr0Writable | ControlBits.et) != 0 {
            return "CR0 is \(hex(system.cr0))"
        }
        if system.cr4 & ~ControlBits.cr4Writable != 0 {
            return "CR4 is \(hex(system.cr4)), of which the soft engine lacks "
                + hex(system.cr4 & ~ControlBits.cr4Writable)
        }
        if system.cr3 >> ControlBits.physicalBits != 0 { return "CR3 is \(hex(system.cr3))" }
        if system.cr8 > 15 { return "CR8 is \(hex(system.cr8))" }
        return modeRefusal ?? debugRefusal ?? extendedRefusal
    }

    /// Long mode is active if, and only if, it is enabled and paging is on.
    private var modeRefusal: String? {
        let system = state.system
        let known =
            ControlBits.sce | ControlBits.lme | ControlBits.lma | ControlBits.nxe
            | ControlBits.automaticIBRS
        let isPaged = system.cr0 & ControlBits.pg != 0
        let isLong = system.efer & ControlBits.lme != 0 && isPaged
        let isSound =
            system.efer & ~known == 0 && (system.efer & ControlBits.lma != 0) == isLong
            && (!isPaged || system.cr0 & ControlBits.pe != 0)
            && (!isLong || system.cr4 & ControlBits.pae != 0)
        return isSound
            ? nil : "EFER is \(hex(system.efer)) with CR0 \(hex(system.cr0))"
    }

    private var debugRefusal: String? {
        guard state.debug.count == 6 else {
            return "there are \(state.debug.count) debug registers"
        }
        return state.debug[4] >> 32 != 0 || state.debug[5] >> 32 != 0 ? "DR6 or DR7" : nil
    }

    private var extendedRefusal: String? {
        let image = state.floatingPoint.image
        guard FloatingPointState.minimum...FloatingPointState.limit ~= image.count else {
            return "the extended state has \(image.count) bytes"
        }
        let area = ExtendedArea(image)
        let xcr0 = state.floatingPoint.xcr0
        let used = (area.inUse | xcr0) & ~3
        guard used == 0, xcr0 & 1 != 0 else {
            return "state components \(hex(xcr0)) are enabled and \(hex(area.inUse)) in use, and "
                + "the soft engine has x87 and SSE only"
        }
        return area.control >> 16 == 0 ? nil : "MXCSR is \(hex(UInt64(area.control)))"
    }

    private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}

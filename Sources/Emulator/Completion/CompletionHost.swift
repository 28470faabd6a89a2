// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Linux
import Memory

/// What stands around a processor that completes single instructions, in place of a machine.
///
/// No translation is kept between two instructions, since whoever else runs this guest changes its
/// page tables unseen: the tables of translations stay empty, and so can lie on top of each other.
final class CompletionHost {
    let memory: GuestMemory
    let bus: any MachineBus
    let layout: ExtendedStateLayout
    /// The extended state of the instruction under way.
    var area = ExtendedArea()
    /// The area is newer than the processor's own x87 and SSE registers.
    var areaWasLoaded = false
    var taskPriority: UInt8 = 0
    /// Until it is done, the blocks of hot-plugged memory that the instruction uses: its bytes, its
    /// operands and the page tables on the way to them.
    var pins: BlockPins
    /// What the instruction wanted and cannot have here.
    var refusal: String?
    /// Room for the instruction's bytes and, from ``operations`` on, what they are decoded into.
    private let scratch: Mapping

    /// Operations that there is room for.
    static var operationLimit: Int { 64 }

    init(memory: GuestMemory, bus: any MachineBus, layout: ExtendedStateLayout) throws(Errno) {
        self.memory = memory
        self.bus = bus
        self.layout = layout
        pins = BlockPins(memory)
        scratch = try Mapping.anonymous(byteCount: 4096)
    }

    /// Where 16 bytes of code are put.
    var code: UInt { scratch.address }
    /// Where the first operation goes.
    var operations: UInt { scratch.address &+ 64 }

    /// Tells whoever watches the host's writes that the guest's memory has changed.
    func wrote(_ host: UInt, _ byteCount: Int) {
        guard let observer = memory.writeObserver else { return }
        for region in memory.regions + memory.persistent.map(\.region)
        where host >= region.hostAddress {
            let offset = UInt64(host &- region.hostAddress)
            guard offset < region.byteCount else { continue }
            return observer.hostWrote(at: region.base &+ offset, count: UInt64(byteCount))
        }
    }

    /// A register or device that only the engine has. Answers nothing that matters.
    func refuse(_ what: String) { refusal = what }
}

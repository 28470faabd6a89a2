// SPDX-License-Identifier: Apache-2.0
import CLinux
import Linux
import Memory

/// A virtual machine as the kernel knows it: each request to it, once. The kernel destroys it when
/// this and its processors are gone.
struct VMDescriptor: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// What the kernel answers for `capability` of this machine.
    func check(_ capability: Capability) -> Int {
        Int((try? descriptor.perform(.checkExtension, value: UInt(capability.rawValue))) ?? 0)
    }

    /// Backs one slot of guest-physical space with host memory; both page-aligned. Writes to what is
    /// read-only come to this process. KVM API, KVM_SET_USER_MEMORY_REGION.
    func map(_ region: GuestRegion, slot: UInt32) throws(KVMError) {
        var argument = kvm_userspace_memory_region(
            slot: slot, flags: region.isReadOnly ? CKVM_MEM_READONLY : 0,
            guest_phys_addr: region.base.rawValue, memory_size: region.byteCount,
            userspace_addr: UInt64(region.hostAddress))
        try descriptor.perform(.setUserMemoryRegion, &argument)
    }

    /// Ends what ``map(_:slot:)`` began.
    func unmap(slot: UInt32) throws(KVMError) {
        var argument = kvm_userspace_memory_region(
            slot: slot, flags: 0, guest_phys_addr: 0, memory_size: 0, userspace_addr: 0)
        try descriptor.perform(.setUserMemoryRegion, &argument)
    }

    /// Three pages that no guest uses, for Intel processors that run real mode as a task.
    func setTSSAddress(_ address: UInt) throws(KVMError) {
        try descriptor.perform(.setTSSAddress, value: address)
    }

    /// One more page for the same. Before there is a processor.
    func setIdentityMapAddress(_ address: UInt64) throws(KVMError) {
        var address = address
        try descriptor.perform(.setIdentityMapAddress, &address)
    }

    /// Two 8259s, an I/O APIC and a local APIC for each processor that is made afterwards.
    func makeIRQChip() throws(KVMError) { try descriptor.perform(.createIRQChip) }

    /// An 8254 with its port 0x61.
    func makePIT() throws(KVMError) {
        var argument = kvm_pit_config()
        argument.flags = CKVM_PIT_SPEAKER_DUMMY
        try descriptor.perform(.createPIT, &argument)
    }

    /// Ticks of the 8254 that come while the last one is still waiting become one with it, and are
    /// not made up for. KVM API, KVM_REINJECT_CONTROL.
    func losePITTicks() throws(KVMError) {
        // `struct kvm_reinject_control`: a byte that says no, and what is reserved.
        var words = [UInt32](repeating: 0, count: 8)
        try descriptor.perform(.reinjectControl, words: &words)
    }

    /// Processor `index`, which is also its APIC ID.
    func makeVCPU(index: Int, mapSize: Int) throws(KVMError) -> VCPUDescriptor {
        let raw = try descriptor.perform(.createVCPU, value: UInt(index))
        return try VCPUDescriptor(FileDescriptor(adopting: raw), mapSize: mapSize)
    }

    /// Makes guest writes of one model-specific register come to this process.
    func watchWrites(of register: UInt32) throws(KVMError) {
        var argument = kvm_enable_cap()
        argument.cap = CKVM_CAP_X86_USER_SPACE_MSR
        argument.args.0 = UInt64(CKVM_MSR_EXIT_REASON_FILTER)
        try descriptor.perform(.enableCapability, &argument)
        let result = clinux_kvm_watch_register(descriptor.rawValue, register)
        guard result >= 0 else { throw .request(.setRegisterFilter, Errno(rawValue: -result)) }
    }

    // MARK: Lines and doorbells

    /// Drives the wire of a global system interrupt.
    func setLine(gsi: UInt32, high: Bool) throws(KVMError) {
        // `struct kvm_irq_level`, whose first word is a union.
        var argument = SIMD2<UInt32>(gsi, high ? 1 : 0)
        try descriptor.perform(.irqLine, &argument)
    }

    /// Lets a count on an eventfd pulse the wire of a global system interrupt.
    func bind(_ event: CInt, gsi: UInt32, on: Bool = true) throws(KVMError) {
        var argument = kvm_irqfd()
        argument.fd = UInt32(bitPattern: event)
        argument.gsi = gsi
        argument.flags = on ? 0 : CKVM_IRQFD_FLAG_DEASSIGN
        try descriptor.perform(.irqDescriptor, &argument)
    }

    /// Lets writes to `address` count on an eventfd instead of coming here, whatever is written.
    ///
    /// - Parameter length: Bytes of such a write; 0: any, and then Intel's processors tell of it
    ///   without the kernel having to look at the instruction. Kernels before 4.4 do not know that.
    func bind(
        _ event: CInt, address: GuestAddress, length: UInt32, on: Bool = true
    ) throws(KVMError) {
        var argument = kvm_ioeventfd()
        argument.addr = address.rawValue
        argument.len = length
        argument.fd = event
        argument.flags = on ? 0 : CKVM_IOEVENTFD_FLAG_DEASSIGN
        try descriptor.perform(.ioDescriptor, &argument)
    }

    // MARK: State

    /// One of the three interrupt controllers.
    func irqChip(_ number: UInt32) throws(KVMError) -> IRQChip {
        var chip = IRQChip(number)
        try descriptor.perform(.getIRQChip, words: &chip.words)
        return chip
    }

    func setIRQChip(_ chip: IRQChip) throws(KVMError) {
        var chip = chip
        try descriptor.perform(.setIRQChip, words: &chip.words)
    }

    func pit() throws(KVMError) -> kvm_pit_state2 {
        var argument = kvm_pit_state2()
        try descriptor.perform(.getPIT, &argument)
        return argument
    }

    func setPIT(_ state: kvm_pit_state2) throws(KVMError) {
        var argument = state
        try descriptor.perform(.setPIT, &argument)
    }

    func clock() throws(KVMError) -> kvm_clock_data {
        var argument = kvm_clock_data()
        try descriptor.perform(.getClock, &argument)
        return argument
    }

    func setClock(_ clock: kvm_clock_data) throws(KVMError) {
        var argument = clock
        try descriptor.perform(.setClock, &argument)
    }
}

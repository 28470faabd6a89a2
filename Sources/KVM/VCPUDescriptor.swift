// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux

/// A vCPU as the kernel knows it: each request to it, once. One thread's at a time.
struct VCPUDescriptor: ~Copyable, Sendable {
    private let descriptor: FileDescriptor
    let page: RunPage

    /// - Parameter mapSize: As ``KVMDevice/vcpuMapSize()`` says.
    init(_ descriptor: consuming FileDescriptor, mapSize: Int) throws(KVMError) {
        do throws(Errno) {
            page = RunPage(try Mapping.shared(descriptor, byteCount: mapSize))
        } catch {
            throw .request(.getVCPUMapSize, error)
        }
        self.descriptor = descriptor
    }

    /// Runs the guest until something ends the run, which ``page`` then tells.
    @inline(__always)
    func run() throws(Errno) { try Errno.check(clinux_kvm_run(descriptor.rawValue)) }

    func setCPUID(_ table: CPUIDTable) throws(KVMError) {
        var words = CPUIDWords.words(table)
        try descriptor.perform(.setCPUID, words: &words)
    }

    // MARK: Registers

    func registers() throws(KVMError) -> kvm_regs {
        var argument = kvm_regs()
        try descriptor.perform(.getRegisters, &argument)
        return argument
    }

    func setRegisters(_ registers: kvm_regs) throws(KVMError) {
        var argument = registers
        try descriptor.perform(.setRegisters, &argument)
    }

    func systemRegisters() throws(KVMError) -> kvm_sregs {
        var argument = kvm_sregs()
        try descriptor.perform(.getSystemRegisters, &argument)
        return argument
    }

    func setSystemRegisters(_ registers: kvm_sregs) throws(KVMError) {
        var argument = registers
        try descriptor.perform(.setSystemRegisters, &argument)
    }

    func debugRegisters() throws(KVMError) -> kvm_debugregs {
        var argument = kvm_debugregs()
        try descriptor.perform(.getDebugRegisters, &argument)
        return argument
    }

    func setDebugRegisters(_ registers: kvm_debugregs) throws(KVMError) {
        var argument = registers
        try descriptor.perform(.setDebugRegisters, &argument)
    }

    func extendedControl() throws(KVMError) -> kvm_xcrs {
        var argument = kvm_xcrs()
        try descriptor.perform(.getXCRs, &argument)
        return argument
    }

    func setExtendedControl(_ registers: kvm_xcrs) throws(KVMError) {
        var argument = registers
        try descriptor.perform(.setXCRs, &argument)
    }

    /// The floating-point image, of `byteCount` bytes: 4 KiB, or what the machine's
    /// ``Capability/largeXSAVE`` says.
    func floatingPoint(byteCount: Int) throws(KVMError) -> [UInt32] {
        var words = [UInt32](repeating: 0, count: byteCount / 4)
        try descriptor.perform(byteCount > 4096 ? .getXSAVE2 : .getXSAVE, words: &words)
        return words
    }

    /// `words` are as many as ``floatingPoint(byteCount:)`` would answer.
    func setFloatingPoint(_ words: [UInt32]) throws(KVMError) {
        var words = words
        try descriptor.perform(.setXSAVE, words: &words)
    }

    // MARK: Model-specific registers

    /// The values of `numbers`, in their order, up to the first that the kernel does not give.
    func modelSpecific(_ numbers: ArraySlice<UInt32>) throws(KVMError) -> [UInt64] {
        var words = Self.registerWords(count: numbers.count)
        for (place, number) in numbers.enumerated() { words[2 + place * 4] = number }
        let count = Int(try descriptor.perform(.getMSRs, words: &words))
        return (0..<min(count, numbers.count)).map { place in
            UInt64(words[4 + place * 4]) | UInt64(words[5 + place * 4]) << 32
        }
    }

    /// Writes registers in their order; how many were taken before the first that was refused.
    func setModelSpecific(_ values: ArraySlice<(UInt32, UInt64)>) throws(KVMError) -> Int {
        var words = Self.registerWords(count: values.count)
        for (place, value) in values.enumerated() {
            words[2 + place * 4] = value.0
            words[4 + place * 4] = UInt32(truncatingIfNeeded: value.1)
            words[5 + place * 4] = UInt32(truncatingIfNeeded: value.1 >> 32)
        }
        return Int(try descriptor.perform(.setMSRs, words: &words))
    }

    /// `struct kvm_msrs`: a count, padding, and four words an entry.
    private static func registerWords(count: Int) -> [UInt32] {
        var words = [UInt32](repeating: 0, count: 2 + count * 4)
        words[0] = UInt32(truncatingIfNeeded: count)
        return words
    }

    // MARK: Interrupts and activity

    func events() throws(KVMError) -> kvm_vcpu_events {
        var argument = kvm_vcpu_events()
        try descriptor.perform(.getEvents, &argument)
        return argument
    }

    func setEvents(_ events: kvm_vcpu_events) throws(KVMError) {
        var argument = events
        try descriptor.perform(.setEvents, &argument)
    }

    func activity() throws(KVMError) -> UInt32 {
        var argument = kvm_mp_state()
        try descriptor.perform(.getMPState, &argument)
        return argument.mp_state
    }

    func setActivity(_ activity: UInt32) throws(KVMError) {
        var argument = kvm_mp_state(mp_state: activity)
        try descriptor.perform(.setMPState, &argument)
    }

    /// The 256 words of the local APIC's page.
    func localAPIC() throws(KVMError) -> [UInt32] {
        var words = [UInt32](repeating: 0, count: LocalAPICState.byteCount / 4)
        try descriptor.perform(.getLocalAPIC, words: &words)
        return words
    }

    func setLocalAPIC(_ words: [UInt32]) throws(KVMError) {
        var words = words
        try descriptor.perform(.setLocalAPIC, words: &words)
    }

    // MARK: Time

    /// Thousands of ticks of the time stamp counter a second.
    func tscRate() throws(KVMError) -> UInt32 {
        UInt32(bitPattern: try descriptor.perform(.getTSCRate))
    }

    func setTSCRate(_ kilohertz: UInt32) throws(KVMError) {
        try descriptor.perform(.setTSCRate, value: UInt(kilohertz))
    }

    /// Tells a guest with a paravirtual clock that it has stood still on purpose.
    func tellClockStopped() throws(KVMError) { try descriptor.perform(.tellClockStopped) }

    /// A file with the kernel's counts for this vCPU.
    func statistics() throws(KVMError) -> FileDescriptor {
        FileDescriptor(adopting: try descriptor.perform(.getStatistics))
    }
}

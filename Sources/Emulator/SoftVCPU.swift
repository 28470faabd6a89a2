// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux
import Memory
import Synchronization

/// One processor of the software engine: its state, its decoded code, its thread's loop.
package final class SoftVCPU: VirtualCPU, @unchecked Sendable {
    package let index: Int
    unowned let machine: SoftVirtualMachine
    let memory: GuestMemory
    let codeMap: CodeMap
    let code: CodeCache
    /// The handlers' view of this processor.
    let cpu: Processor
    /// Set if this processor only completes instructions for another engine.
    let completion: CompletionHost?
    /// What others want of this processor.
    private let signals: Signalbox
    private let storage: Mapping
    private let tables: Mapping
    private let mail = Mutex(Mail())
    var activity = ActivityState.runnable
    /// An interrupt that another engine had taken from the controllers and not delivered.
    var heldInterrupt: UInt8?
    /// A third fault has been met.
    var isShutDown = false
    package private(set) var exitCount: UInt64 = 0

    private static var kicked: UInt32 { 1 }
    private static var chipsetNews: UInt32 { 2 }
    private static var codeNews: UInt32 { 4 }
    private static var memoryGone: UInt32 { 8 }

    /// Instructions between two looks at the clock.
    private static var quantum: UInt64 { 16_384 }

    /// What other threads have done to pages with code.
    private struct Mail {
        var written: [Written] = []
        /// Pages that now hold code and must not be written unseen.
        var guarded: [Int] = []
    }

    private struct Written {
        let frame: Int
        let pieces: UInt64
    }

    init(
        index: Int, machine: SoftVirtualMachine, completion: CompletionHost? = nil
    ) throws(Errno) {
        self.index = index
        self.machine = machine
        self.completion = completion
        memory = machine.memory
        codeMap = machine.codeMap
        code = try CodeCache(
            memory: machine.memory, codeMap: machine.codeMap, hugePages: completion == nil)
        let stateBytes = (MemoryLayout<ProcessorState>.size + 4095) & ~4095
        storage = try Mapping.anonymous(byteCount: stateBytes + 4096)
        let tableBytes = TranslationEntry.tableBytes
        tables = try Mapping.anonymous(byteCount: tableBytes * 5 + JumpCacheSet.tableBytes)
        cpu = Processor(storage.address)
        signals = Signalbox(address: storage.address + UInt(stateBytes))
        cpu.initialize()
        cpu.state.index = index
        cpu.state.ram = machine.memory.layout
        cpu.state.owner = unsafe UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())
        // Tables that always stay empty can share their entries; each still has its own address.
        let step = completion == nil ? UInt(tableBytes) : TranslationEntry.stride
        cpu.state.userTLB = tables.address
        cpu.state.supervisorTLB = tables.address + step
        cpu.state.supervisorUserTLB = tables.address + 2 * step
        cpu.state.noTLB = tables.address + 3 * step
        cpu.state.codeTLB = tables.address + 4 * step
        cpu.state.jumpCache = tables.address + 5 * UInt(tableBytes)
        TranslationEntry.clear(table: cpu.state.noTLB)
        cpu.flushTLB(global: true)
        cpu.reset(isBootProcessor: index == 0)
        activity = index == 0 ? .runnable : .waitingForStartup
    }

    package var retiredInstructions: UInt64? { cpu.state.retired }

    // MARK: Attention

    /// Raises `bits` for this processor and makes it leave its block. Any thread.
    private func signal(_ bits: UInt32) {
        signals.raise(bits)
        unsafe clinux_store64(stopAtPointer, 0)
        if machine.time.isDeterministic { machine.time.wake(index) }
    }

    private static let stopAtOffset = UInt(
        MemoryLayout<ProcessorState>.offset(of: \.stopAt) ?? 0)

    private var stopAtPointer: UnsafeMutableRawPointer {
        unsafe HostAddress(storage.address &+ Self.stopAtOffset).pointer
    }

    package func kick() { signal(Self.kicked) }
    func chipsetHasNews() { signal(Self.chipsetNews) }

    /// Another thread has written to code of a page.
    func codeWasWritten(frame: Int, pieces: UInt64) {
        mail.withLock { $0.written.append(Written(frame: frame, pieces: pieces)) }
        signal(Self.codeNews)
    }

    /// Another processor has decoded code in a page: writes to it must be seen from now on.
    func guardPage(_ frame: Int) {
        mail.withLock { $0.guarded.append(frame) }
        signal(Self.codeNews)
    }

    /// Memory is no longer there: no translation may lead to it.
    func forgetTranslations() { signal(Self.memoryGone) }

    private func readMail() {
        let letters = mail.withLock { mail in
            defer { mail = Mail() }
            return mail
        }
        for frame in letters.guarded where protectPage(frame) {
            // This processor could write there unseen until now, so what the others have decoded
            // may be old.
            let pieces = codeMap.take(frame: frame, pieces: .max)
            machine.codeWritten(frame: frame, pieces: pieces, by: self)
        }
        for letter in letters.written {
            code.invalidate(frame: letter.frame, pieces: letter.pieces)
        }
    }

    /// Makes writes to a page miss; true if one could have hit.
    private func protectPage(_ frame: Int) -> Bool {
        let host = UInt64(codeMap.host(frame: frame))
        var found = false
        for table in [cpu.state.userTLB, cpu.state.supervisorTLB, cpu.state.supervisorUserTLB] {
            for index in 0..<TranslationEntry.count {
                let entry = TranslationEntry(table: table, linear: UInt64(index) << 12)
                let tag = entry.writeTag
                if tag != TranslationEntry.invalid, tag &+ entry.addend == host {
                    entry.writeTag = TranslationEntry.invalid
                    found = true
                }
            }
        }
        return found
    }

    /// The first code of a page has been decoded here.
    func pageBecameCode(_ frame: Int) {
        _ = protectPage(frame)
        machine.guardPage(frame, except: self)
    }

    /// This processor has written to RAM at a host address, beside its translation buffer.
    @inline(__always) func wrote(_ host: UInt, _ byteCount: Int) {
        let frame = codeMap.frame(host)
        let pieces = CodeMap.pieces(offset: Int(host & 0xfff), count: byteCount)
        let hit = codeMap.take(frame: frame, pieces: pieces)
        if hit != 0 { machine.codeWritten(frame: frame, pieces: hit, by: self) }
        if let completion { completion.wrote(host, byteCount) }
    }

    // MARK: Devices

    func countExit() { exitCount &+= 1 }

    /// Makes the loop ask the interrupt controllers at the next branch, after they were changed.
    func lookAround() { cpu.state.stopAt = 0 }

    func readDevice(_ address: GuestAddress, size: Int) -> UInt64 {
        countExit()
        if let completion { return completion.bus.readMemory(address, size: size) }
        switch address.rawValue & ~0xfff {
        case SoftVirtualMachine.localAPICBase:
            lookAround()
            return UInt64(
                machine.chipset.readAPIC(
                    cpu: index, offset: address.rawValue & 0xfff, now: machine.now(self)))
        case SoftVirtualMachine.ioAPICBase:
            return UInt64(machine.chipset.readIOAPIC(offset: address.rawValue & 0xfff))
        default:
            return machine.bus.readMemory(address, size: size)
        }
    }

    func writeDevice(_ address: GuestAddress, size: Int, value: UInt64) {
        countExit()
        if let completion {
            return completion.bus.writeMemory(address, size: size, value: value)
        }
        switch address.rawValue & ~0xfff {
        case SoftVirtualMachine.localAPICBase:
            machine.chipset.writeAPIC(
                cpu: index, offset: address.rawValue & 0xfff,
                value: UInt32(truncatingIfNeeded: value), now: machine.now(self))
            lookAround()
        case SoftVirtualMachine.ioAPICBase:
            machine.chipset.writeIOAPIC(
                offset: address.rawValue & 0xfff, value: UInt32(truncatingIfNeeded: value))
            lookAround()
        default:
            machine.bus.writeMemory(address, size: size, value: value)
        }
    }

    // MARK: Running

    package func run() -> VCPUExit {
        machine.resume()
        cpu.enterFloatEnvironment()
        defer {
            cpu.leaveFloatEnvironment()
            machine.leave(self)
        }
        if isShutDown || !deliverHeld() {
            isShutDown = true
            return .shutdown
        }
        while true {
            machine.takeTurn(self)
            let wanted = signals.take()
            if wanted & Self.codeNews != 0 { readMail() }
            if wanted & Self.memoryGone != 0 {
                cpu.flushTLB(global: true)
                machine.translationsForgotten(by: index)
            }
            if wanted & Self.kicked != 0 { return .interrupted }
            let pending = machine.chipset.poll(cpu: index, now: machine.now(self))
            if pending.initSignal, machine.chipset.takeInit(cpu: index) {
                cpu.reset(isBootProcessor: index == 0)
                activity = index == 0 ? .runnable : .waitingForStartup
                continue
            }
            if activity == .waitingForStartup {
                if let vector = machine.chipset.takeStartup(cpu: index) {
                    cpu.start(vector: vector)
                    activity = .runnable
                } else {
                    machine.sleep(self, signals, until: pending.nextDeadline)
                }
                continue
            }
            if let exit = serve(pending) { return exit }
        }
    }

    /// Delivers what a restored state had met and not delivered. False: shutdown.
    private func deliverHeld() -> Bool {
        if cpu.state.pending.vector != 0xff, cpu.deliver() == .shutdown { return false }
        guard let vector = heldInterrupt else { return true }
        heldInterrupt = nil
        activity = .runnable
        return cpu.deliver(interrupt: vector) != .shutdown
    }

    /// Delivers what is pending, then sleeps or executes for a while.
    private func serve(_ pending: Pending) -> VCPUExit? {
        let maskable = cpu.state.systemFlags & 0x200 != 0
        let open = !cpu.state.inhibitInterrupts
        if pending.nmi, open, !cpu.state.system.nmiBlocked, machine.chipset.takeNMI(cpu: index) {
            activity = .runnable
            if cpu.deliverNMI() == .shutdown { return .shutdown }
        } else if pending.interrupt, maskable, open {
            if let vector = machine.chipset.acknowledge(cpu: index, now: machine.now(self)) {
                activity = .runnable
                if cpu.deliver(interrupt: vector) == .shutdown { return .shutdown }
            }
        } else if activity == .halted {
            machine.sleep(self, signals, until: pending.nextDeadline)
            return nil
        }
        cpu.state.interruptWaiting = pending.interrupt && !(maskable && open)
        return execute(until: pending.nextDeadline)
    }

    /// Runs blocks until somebody wants attention or the quantum is used up.
    private func execute(until deadline: UInt64) -> VCPUExit? {
        cpu.state.stopAt = cpu.state.retired &+ machine.quantum(Self.quantum, until: deadline, self)
        clinux_fence()
        if signals.isRaised { return nil }
        repeat {
            if cpu.needsSteps {
                guard step() else { return .shutdown }
            } else if let first = enterBlock() {
                runBlocks(first)
            }
            if cpu.state.pending.vector != 0xff, cpu.deliver() == .shutdown { return .shutdown }
            if cpu.state.leaving.rawValue != 0, let exit = leave() { return exit }
            if activity.rawValue != 0 { return nil }
            if cpu.state.interruptWaiting, cpu.state.systemFlags & 0x200 != 0 { return nil }
        } while cpu.state.retired < cpu.state.stopAt
        return nil
    }

    private func leave() -> VCPUExit? {
        let reason = cpu.state.leaving
        cpu.state.leaving = .none
        switch reason {
        case .halt:
            activity = .halted
            return nil
        case .shutdown: return .shutdown
        case .failed: return .failed("the guest did what the soft engine cannot do")
        case .none: return nil
        }
    }

    /// The operation to go on with at RIP; nil: an exception is pending.
    @inline(__always) private func enterBlock() -> UInt? {
        let rip = cpu.state.rip
        let set = JumpCacheSet(table: cpu.state.jumpCache, linear: rip)
        let known = set.find(rip, key: cpu.state.codeKey)
        if known != 0, Block(operations: known).isValid {
            cpu.page = rip & ~0xfff
            return known
        }
        guard let block = code.find(rip, cpu, mayFlush: true) else { return nil }
        set.insert(rip, key: cpu.state.codeKey, block: block.operations)
        cpu.page = rip & ~0xfff
        return block.operations
    }

    @inline(__always) private func runBlocks(_ first: UInt) {
        let processor = cpu.address
        var operation = first
        repeat {
            operation = Op(operation).handler(processor, operation)
        } while operation != 0
    }

    /// Executes one instruction, with the traps that follow it; false: triple fault.
    func step() -> Bool {
        let hits = cpu.instructionBreakpoints(at: cpu.state.rip)
        if hits != 0 {
            cpu.pendDebug(hits)
            return cpu.deliver() != .shutdown
        }
        let traps = cpu.state.systemFlags & 0x100 != 0
        cpu.state.systemFlags &= ~0x1_0000
        cpu.state.inhibitInterrupts = false
        cpu.state.watchHits = 0
        // The block is left at its end whatever it ends with: its room is used again.
        cpu.state.stopAt = 0
        cpu.page = cpu.state.rip & ~0xfff
        guard let block = code.single(cpu.state.rip, cpu) else {
            return cpu.deliver() != .shutdown
        }
        runBlocks(block.operations)
        if cpu.state.pending.vector != 0xff { return cpu.deliver() != .shutdown }
        // An instruction that has cleared TF (INT, SYSCALL) is not followed by the trap.
        let stepped = traps && cpu.state.systemFlags & 0x100 != 0
        let conditions = cpu.state.watchHits | (stepped ? Processor.debugStep : 0)
        guard conditions != 0 else { return true }
        cpu.pendDebug(conditions)
        return cpu.deliver() != .shutdown
    }
}

extension Processor {
    /// The engine's object for this processor.
    @inline(__always) var vcpu: SoftVCPU {
        let owner = unsafe UnsafeRawPointer(bitPattern: state.owner).unsafelyUnwrapped
        return unsafe Unmanaged<SoftVCPU>.fromOpaque(owner).takeUnretainedValue()
    }

    /// One instruction at a time: a trap flag, breakpoints, or the shadow of MOV SS and STI.
    @inline(__always) var needsSteps: Bool {
        state.inhibitInterrupts || state.systemFlags & 0x100 != 0 || hasBreakpoints
    }

    func initialize() {
        unsafe UnsafeMutablePointer<ProcessorState>(bitPattern: address).unsafelyUnwrapped
            .initialize(to: ProcessorState())
    }
}

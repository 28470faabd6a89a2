// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import KVM
import Linux
import Synchronization
import Testing

/// Every kick makes a run end: none is lost, whenever it comes.
@Suite struct KickTests {
    /// Counts the runs that have ended, on a thread of its own.
    private final class Runner: Sendable {
        let ended = Atomic<Int>(0)
        let isOver = Atomic<Bool>(false)
        let hasLeft = Atomic<Bool>(false)
        let failure = Mutex<String?>(nil)

        func run(_ vcpu: any VirtualCPU) {
            while !isOver.load(ordering: .sequentiallyConsistent) {
                let exit = vcpu.run()
                guard exit == .interrupted else {
                    failure.withLock { $0 = "\(exit)" }
                    break
                }
                ended.add(1, ordering: .sequentiallyConsistent)
            }
            hasLeft.store(true, ordering: .sequentiallyConsistent)
        }
    }

    /// Kicks from another thread, each after the last one has been answered, so that they meet the
    /// processor entering the guest, in it, asleep in it, and leaving it.
    @Test(arguments: ["spin", "halt"], TestedEngine.usable)
    func `A kick from another thread is answered`(
        _ guest: String, _ engine: TestedEngine
    ) throws {
        let kicks = 100_000
        let machine = try SmallMachine(engine, try GuestImage(guest))
        let vcpu = machine.machine.vcpus[0]
        let runner = Runner()
        try Thread(name: "vcpu") { runner.run(vcpu) }.detach()
        for kick in 0..<kicks {
            vcpu.kick()
            let deadline = Clock.monotonic + 10_000_000_000
            while runner.ended.load(ordering: .sequentiallyConsistent) <= kick {
                // Now and then somebody else may need the processor, and the clock is not free.
                Thread.yield()
                if runner.hasLeft.load(ordering: .relaxed) || Clock.monotonic > deadline { break }
            }
            guard runner.ended.load(ordering: .sequentiallyConsistent) == kick + 1 else {
                let failure = runner.failure.withLock { $0 } ?? "none"
                Issue.record("kick \(kick) was not answered; failure: \(failure)")
                break
            }
        }
        runner.isOver.store(true, ordering: .sequentiallyConsistent)
        vcpu.kick()
        while !runner.hasLeft.load(ordering: .sequentiallyConsistent) { Thread.yield() }
        // The last kick may have been for a run that had ended for the one before.
        #expect(runner.ended.load(ordering: .sequentiallyConsistent) >= kicks)
    }

    /// The rest of a million: kicks that come before the run.
    @Test(arguments: TestedEngine.usable)
    func `A kick before the run is answered by it`(_ engine: TestedEngine) throws {
        let machine = try SmallMachine(engine, try GuestImage("halt"))
        let vcpu = machine.machine.vcpus[0]
        var answered = 0
        for _ in 0..<1_000_000 {
            vcpu.kick()
            if vcpu.run() == .interrupted { answered += 1 }
        }
        #expect(answered == 1_000_000)
    }

    /// Kicks as fast as they can be made, with nobody waiting: they may coalesce, and after the
    /// last one a run ends.
    @Test(arguments: TestedEngine.usable)
    func `After a storm of kicks the last one is answered`(_ engine: TestedEngine) throws {
        let machine = try SmallMachine(engine, try GuestImage("spin"))
        let vcpu = machine.machine.vcpus[0]
        let runner = Runner()
        try Thread(name: "vcpu") { runner.run(vcpu) }.detach()
        for _ in 0..<100 {
            for _ in 0..<2000 { vcpu.kick() }
            let before = runner.ended.load(ordering: .sequentiallyConsistent)
            vcpu.kick()
            let deadline = Clock.monotonic + 10_000_000_000
            while runner.ended.load(ordering: .sequentiallyConsistent) <= before,
                Clock.monotonic < deadline
            {
                Thread.yield()
            }
            #expect(runner.ended.load(ordering: .sequentiallyConsistent) > before)
        }
        runner.isOver.store(true, ordering: .sequentiallyConsistent)
        vcpu.kick()
        while !runner.hasLeft.load(ordering: .sequentiallyConsistent) { Thread.yield() }
        #expect(runner.failure.withLock { $0 } == nil)
    }
}

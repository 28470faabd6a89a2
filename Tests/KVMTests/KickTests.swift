// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import Hypervisor
import KVM
import Linux
import Support
import Synchronization
import Testing

/// Every kick makes a run end: none is lost, whenever it comes.
@Suite(.serialized) struct KickTests {
    /// Runs a processor on a thread of its own, and says each end of a run.
    private final class Runner: @unchecked Sendable {
        let answered = DispatchSemaphore(value: 0)
        let left = DispatchSemaphore(value: 0)
        let isOver = Atomic<Bool>(false)
        let failure = Mutex<String?>(nil)

        func start(_ vcpu: any VirtualCPU) throws {
            try Thread(name: "vcpu") { [self] in
                while !isOver.load(ordering: .sequentiallyConsistent) {
                    let exit = vcpu.run()
                    guard exit == .interrupted else {
                        failure.withLock { $0 = "\(exit)" }
                        break
                    }
                    answered.signal()
                }
                left.signal()
            }.detach()
        }

        /// True if a run ends within a minute: a kick that is lost is never answered, and hosts can
        /// be busy. Most have ended before it is worth sleeping.
        func waitForAnswer() -> Bool {
            for _ in 0..<100 where answered.wait(timeout: .now()) == .success { return true }
            return answered.wait(timeout: .now() + 60) == .success
        }

        func end(_ vcpu: any VirtualCPU) -> String? {
            isOver.store(true, ordering: .sequentiallyConsistent)
            vcpu.kick()
            guard left.wait(timeout: .now() + 60) == .success else { return "it did not leave" }
            return failure.withLock { $0 }
        }
    }

    struct Row: CustomTestStringConvertible, Sendable {
        let guest: String
        let least: Int
        var testDescription: String { guest }
    }

    /// Up to `most`, and from `least` on only while time is left: hosts differ by a factor of
    /// twenty.
    private static func count(_ least: Int, _ most: Int, _ body: (Int) -> Bool) {
        let end = ContinuousClock.now + .seconds(6)
        for number in 0..<most {
            guard number < least || ContinuousClock.now < end, body(number) else { return }
        }
    }

    /// Kicks from another thread, each after the last one has been answered, so that they meet the
    /// processor entering the guest, in it, asleep in it, and leaving it. A million, where that
    /// takes seconds.
    @Test(
        arguments: [Row(guest: "spin", least: 5_000), Row(guest: "halt", least: 95_000)],
        TestedEngine.usable)
    func `A kick from another thread is answered`(_ row: Row, _ engine: TestedEngine) throws {
        let machine = try SmallMachine(engine, try GuestImage(row.guest))
        let vcpu = machine.machine.vcpus[0]
        let runner = Runner()
        try runner.start(vcpu)
        Self.count(row.least, 1_000_000) { kick in
            vcpu.kick()
            let isAnswered = runner.waitForAnswer()
            if !isAnswered { Issue.record("kick \(kick) was not answered") }
            return isAnswered
        }
        #expect(runner.end(vcpu) == nil)
    }

    /// Signals that are queued are refused when the user's queue is full, and any of the user's
    /// processes may have filled it. Here it has no room at all.
    @Test(.enabled(if: HostKVM.isUsable, "KVM cannot be used here"))
    func `A kick needs no room in the user's queue of signals`() async {
        await #expect(processExitsWith: .success) {
            let machine = try SmallMachine(.kvm, try GuestImage("halt"))
            var none = rlimit(rlim_cur: 0, rlim_max: 0)
            let resource = __rlimit_resource_t(__RLIMIT_SIGPENDING.rawValue)
            let result = unsafe setrlimit(resource, &none)
            try #require(result == 0)
            let vcpu = machine.machine.vcpus[0]
            let runner = Runner()
            try runner.start(vcpu)
            for _ in 0..<20 {
                // By then it sleeps in the guest, where nothing but a signal reaches it.
                usleep(10_000)
                vcpu.kick()
                try #require(runner.waitForAnswer())
            }
            #expect(runner.end(vcpu) == nil)
        }
    }

    @Test(arguments: TestedEngine.usable)
    func `A guest without a clock of KVM's need not be told of a pause`(
        _ engine: TestedEngine
    ) throws {
        let machine = try SmallMachine(engine, try GuestImage("halt"))
        #expect(machine.machine.vcpus[0].tellStopped())
    }

    /// The rest of a million: kicks that come before the run.
    @Test(arguments: TestedEngine.usable)
    func `A kick before the run is answered by it`(_ engine: TestedEngine) throws {
        let machine = try SmallMachine(engine, try GuestImage("halt"))
        let vcpu = machine.machine.vcpus[0]
        let answered = try TestThread.call("runs that were kicked before", seconds: 300) {
            var answered = 0
            for _ in 0..<900_000 {
                vcpu.kick()
                if vcpu.run() == .interrupted { answered += 1 }
            }
            return answered
        }
        #expect(answered == 900_000)
    }

    /// Kicks as fast as they can be made, with nobody waiting: they may coalesce, and after the
    /// last one a run ends.
    @Test(arguments: TestedEngine.usable)
    func `After a storm of kicks the last one is answered`(_ engine: TestedEngine) throws {
        let machine = try SmallMachine(engine, try GuestImage("halt"))
        let vcpu = machine.machine.vcpus[0]
        let runner = Runner()
        try runner.start(vcpu)
        Self.count(100, 1000) { storm in
            for _ in 0..<1000 { vcpu.kick() }
            // Those that have been answered by now are old; the last one may be among them, or not.
            while runner.answered.wait(timeout: .now()) == .success {}
            vcpu.kick()
            let isAnswered = runner.waitForAnswer()
            if !isAnswered { Issue.record("the last kick of storm \(storm) was not answered") }
            return isAnswered
        }
        #expect(runner.end(vcpu) == nil)
    }
}

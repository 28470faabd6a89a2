// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// The first process of the guest; or, for tests, an ordinary process that is given its listening
/// socket as descriptor 3.
@main
enum Main {
    private static var inheritedListener: Int32 { 3 }

    static func main() {
        let isFirstProcess = guest_is_first_process() != 0
        guest_begin()
        if isFirstProcess { serveMachine() } else { serveTests() }
    }

    /// Tells the host first, and mounts while the host makes up its mind.
    private static func serveMachine() {
        Setup.loadModules()
        let setup = Setup(isFirstProcess: true)
        let listening = guest_listen(AgentProtocol.agentPort)
        guard let listener = Descriptor(listening) else { return giveUp(setup, listening) }
        let connecting = guest_connect(AgentProtocol.hostContext, AgentProtocol.readyPort)
        guard connecting >= 0 || isRefusal(connecting) else { return giveUp(setup, connecting) }
        guard let loop = EventLoop(listener: listener, setup: setup, isFirstProcess: true) else {
            return giveUp(setup, -Errno.inputOutput)
        }
        if let ready = Descriptor(connecting) { loop.add(ready, phase: .connecting) }
        loop.run()
    }

    /// Whether there is a host that just does not listen.
    private static func isRefusal(_ result: Int32) -> Bool {
        result == -Errno.connectionReset || result == -Errno.timedOut
    }

    /// Nobody can ever reach this machine: says so and ends it.
    private static func giveUp(_ setup: Setup, _ result: Int32) {
        setup.finish()
        Setup.report(
            "swiftlet-agent: no vsock to the host (error \(-result)): "
                + "the kernel needs virtio-vsock and the machine a vsock device; restarting")
        guest_sync()
        _ = guest_restart()
        guest_exit(1)
    }

    private static func serveTests() {
        guest_adopt_orphans()
        let listening = guest_duplicate(inheritedListener)
        guest_close(inheritedListener)
        guard let listener = Descriptor(listening),
            let loop = EventLoop(
                listener: listener, setup: Setup(isFirstProcess: false), isFirstProcess: false)
        else { guest_exit(125) }
        loop.run()
    }
}

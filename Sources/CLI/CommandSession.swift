// SPDX-License-Identifier: Apache-2.0
import Agent
import Client
import Control
import Linux

/// One command in one machine, from start to end, with our streams, signals and terminal.
final class CommandSession {
    private let options: RunCommand
    private let streams: CommandStreams

    init(_ options: RunCommand, since start: UInt64) throws(ClientError) {
        self.options = options
        streams = try CommandStreams(
            options.command, options.commandOptions,
            deadline: options.timeout.map { start &+ $0.nanoseconds })
    }

    /// Runs it; the exit status.
    func run(
        _ configuration: MicroVM.Configuration, _ timeline: inout Timeline
    ) throws(ClientError) -> CInt {
        defer { streams.release() }
        Signal.pipe.ignore()
        let signals = try Patience.signals()
        let machine = try MicroVM(configuration)
        timeline.machineStarted = Clock.monotonic
        do throws(ClientError) {
            while streams.status == nil {
                try step(machine, signals, &timeline)
            }
        } catch {
            // An agent goes away with its machine, most of the time, and that knows why.
            let isGone = error.kind == .agent || error.kind == .machineEnded
            let cause = isGone ? machine.failure(within: 2) : nil
            finish(machine, &timeline)
            throw cause ?? error
        }
        timeline.commandEnded = Clock.monotonic
        // Another signal, and the machine ends without more ado.
        if configuration.keepsData {
            streams.release()
            machine.shutDown(unless: signals.descriptor.rawValue) {
                while let signal = signals.next() { if signal != .windowChange { return true } }
                return false
            }
        }
        finish(machine, &timeline)
        return streams.status ?? ExitStatus.ownFailure
    }

    /// Waits for something to happen, and answers it.
    private func step(
        _ machine: MicroVM, _ signals: borrowing SignalReader, _ timeline: inout Timeline
    ) throws(ClientError) {
        let set = try streams.step(signals) { machine.register(in: &$0) }
        let hasEnded = try machine.serve(set)
        if hasEnded, streams.status == nil {
            streams.takeLastWords()
            guard streams.status == nil else { return }
            streams.end(try machine.debugExitStatus())
        }
        if !streams.isStarted, streams.status == nil, machine.isReady {
            timeline.agentReady = Clock.monotonic
            try streams.start { request throws(ClientError) in try machine.start(request) }
        }
    }

    private func finish(_ machine: MicroVM, _ timeline: inout Timeline) {
        let grace: UInt64 = options.verbose ? 1_000_000_000 : 0
        timeline.report = machine.stop(gracePeriod: grace)
        timeline.machineEnded = Clock.monotonic
        streams.finish()
    }
}

// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// A machine without an agent, whose serial console is given to somebody.
package final class ConsoleMachine {
    private let monitor: MonitorProcess

    /// Starts a machine whose console reads and writes these descriptors.
    package init(
        _ configuration: MicroVM.Configuration, input: CInt, output: CInt
    ) throws(ClientError) {
        let program = try configuration.program
        let console = MonitorProcess.Console.descriptors(input: input, output: output)
        var config = try configuration.monitorConfig(
            socket: nil, console: MonitorProcess.consoleConfig(console),
            report: MonitorProcess.reportDescriptor)
        let link = try HostLink(configuration.network)
        link.join(&config, as: MonitorProcess.linkDescriptor)
        do throws(Errno) {
            monitor = try MonitorProcess(
                path: program, config: config, console: console, link: link.descriptor)
        } catch {
            throw ClientError(.system, "cannot start the monitor \(program): \(error)")
        }
    }

    package func register(in set: inout PollSet) { monitor.register(in: &set) }

    /// True once the machine has ended.
    package func serve(_ set: PollSet) -> Bool { monitor.serve(set) }

    /// Ends the machine; with a grace period (ns) it may still write its report.
    package func stop(gracePeriod: UInt64) -> MachineReport? {
        monitor.stop(gracePeriod: gracePeriod).report
    }

    /// What went wrong, once the machine has ended by itself.
    package var failure: ClientError { monitor.failure }
}

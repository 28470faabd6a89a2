// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// What a detached machine has used since its start, supervisor and monitor together.
package struct MachineUsage: Hashable, Sendable {
    /// When this was so, on the host's monotonic clock.
    package var time: UInt64
    /// Processor time in nanoseconds.
    package var processor: UInt64
    /// Its share of the host's memory in bytes; nil: this user may not know.
    package var memory: UInt64?
    /// Bytes that the guest has received and sent.
    package var received: UInt64
    package var sent: UInt64
    /// Bytes that the guest has read from its disks and written to them.
    package var read: UInt64
    package var written: UInt64
    /// How often processors have left the guest for a device.
    package var exits: UInt64

    /// Asks the host's kernel and the monitor.
    package init(of machine: DetachedMachine) throws(ClientError) {
        let state = try machine.livingState()
        let metrics = try machine.api().metrics()
        guard let monitor = state.monitor, let time = monitor.processorTime,
            let own = state.supervisor.processorTime
        else { throw machine.error(.machineEnded, "is not running") }
        self.time = Clock.monotonic
        processor = time + own
        // The monitor is closed to other processes of its user: it says so itself.
        let share = monitor.memory ?? metrics.sum("swiftlet_process_pss_bytes")
        memory = share.map { $0 + (state.supervisor.memory ?? 0) }
        received = metrics.sum("swiftlet_net_rx_bytes_count_total") ?? 0
        sent = metrics.sum("swiftlet_net_tx_bytes_count_total") ?? 0
        read = metrics.sum("swiftlet_block_read_bytes_total") ?? 0
        written = metrics.sum("swiftlet_block_write_bytes_total") ?? 0
        exits = metrics.sum("swiftlet_vcpu_exit_duration_seconds_count") ?? 0
    }

    /// Thousandths of one processor that were used since `earlier`.
    package func load(since earlier: MachineUsage) -> UInt64 {
        guard time > earlier.time, processor > earlier.processor else { return 0 }
        return (processor - earlier.processor) * 1000 / (time - earlier.time)
    }
}

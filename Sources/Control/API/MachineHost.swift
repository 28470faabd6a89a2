// SPDX-License-Identifier: Apache-2.0

/// What the controller cannot do itself: everything that reaches outside its own values.
///
/// Calls come one at a time. Each either has been done when it returns, or throws and has changed
/// nothing.
package protocol MachineHost: AnyObject, Sendable {
    /// Sees to it that kernel and initrd can be opened.
    func check(_ boot: BootSource) throws(APIFault)
    /// Sees to it that a drive's or persistent memory's file can be opened.
    func checkFile(_ path: String, writable: Bool, _ subject: String) throws(APIFault)
    /// Opens the host's end of a network interface and keeps it for the start, in the place of what
    /// is kept for the interface of the same name.
    func attach(_ network: NetworkConfig) throws(APIFault)
    func configure(_ logger: LoggerConfig) throws(APIFault)
    func configure(_ metrics: MetricsConfig) throws(APIFault)
    func flushMetrics() throws(APIFault)
    /// All metrics as Prometheus reads them.
    var prometheusText: String { get }

    /// Makes the machine and lets it run.
    func start(_ config: VMConfig) throws(APIFault)
    /// Stops all processors and devices between two instructions.
    func pause() throws(APIFault)
    func resume() throws(APIFault)
    func sendCtrlAltDel() throws(APIFault)
    func pressPowerButton() throws(APIFault)
    /// Changes a device of the running machine.
    func change(_ change: DeviceChange) throws(APIFault)
    /// Asks a device of the running machine.
    func ask(_ question: DeviceQuestion) throws(APIFault) -> JSON
}

/// A change to a device of a machine that runs or is paused.
package enum DeviceChange: Hashable, Sendable {
    case drive(DriveUpdate)
    case network(NetworkUpdate)
    case pmem(PmemUpdate)
    /// All limits of the source of random bytes, which has some.
    case entropy(RateLimiterConfig)
    /// The balloon's new target, in MiB.
    case balloon(UInt32)
    /// The new interval of its statistics, in seconds.
    case balloonStatistics(UInt16)
    case startHinting(BalloonHintingStart)
    case stopHinting
    /// Memory to be plugged in, in MiB.
    case memory(UInt32)
    case insertDrive(DriveConfig)
    case insertNetwork(NetworkConfig)
    case insertPmem(PmemConfig)
    case remove(APIRequest.DeviceKind, id: String)
}

/// A question to a device of a machine that runs or is paused.
package enum DeviceQuestion: Hashable, Sendable {
    case balloonStatistics, hinting, memory
}

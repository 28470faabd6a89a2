// SPDX-License-Identifier: Apache-2.0

/// Something to be done at once: the body of `PUT /actions`.
package struct InstanceAction: APIObject {
    package enum Kind: String, CaseIterable, JSONReadable, Sendable {
        case flushMetrics = "FlushMetrics"
        case start = "InstanceStart"
        case sendCtrlAltDel = "SendCtrlAltDel"
        /// Ours: for guests that use ACPI and have no driver for a keyboard.
        case pressPowerButton = "PressPowerButton"
    }

    package static var fields: [String] { ["action_type"] }

    package var kind: Kind

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        kind = try fields.require("action_type")
    }
}

/// Whether the guest is to run: the body of `PATCH /vm`.
package struct InstanceState: APIObject {
    package enum Wanted: String, CaseIterable, JSONReadable, Sendable {
        case paused = "Paused"
        case resumed = "Resumed"
    }

    package static var fields: [String] { ["state"] }

    package var wanted: Wanted

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        wanted = try fields.require("state")
    }
}

/// A request of the API that is right in itself.
package enum APIRequest: Hashable, Sendable {
    case getInstance
    case flushMetrics, start, sendCtrlAltDel, pressPowerButton
    case getBalloon
    case putBalloon(BalloonConfig)
    case patchBalloon(BalloonUpdate)
    case getBalloonStatistics
    case patchBalloonStatistics(BalloonStatisticsUpdate)
    case startHinting(BalloonHintingStart)
    case getHinting, stopHinting
    case putBootSource(BootSource)
    case putCPUConfig(CPUConfig)
    case putDrive(DriveConfig)
    case patchDrive(DriveUpdate)
    case putPmem(PmemConfig)
    case patchPmem(PmemUpdate)
    case putNetwork(NetworkConfig)
    case patchNetwork(NetworkUpdate)
    case remove(DeviceKind, id: String)
    case putLogger(LoggerConfig)
    case getMachine
    case putMachine(MachineConfig)
    case patchMachine(MachineUpdate)
    case getMetrics
    case putMetrics(MetricsConfig)
    case getMMDS
    case putMMDS(JSON)
    case patchMMDS(JSON)
    case putMMDSConfig(MMDSConfig)
    case putEntropy(EntropyConfig)
    case patchEntropy(EntropyConfig)
    case putSerial(SerialConfig)
    case getMemoryHotplug
    case putMemoryHotplug(MemoryHotplugConfig)
    case patchMemoryHotplug(MemoryHotplugUpdate)
    case createSnapshot(SnapshotCreation)
    case loadSnapshot(SnapshotLoad)
    case getVersion
    case pause, resume
    case getVMConfig
    case putVsock(VsockConfig)

    /// Devices that have names of their own.
    package enum DeviceKind: Hashable, Sendable {
        case drive, pmem, network
    }
}

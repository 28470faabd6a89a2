// SPDX-License-Identifier: Apache-2.0

/// Every operation of the API: Firecracker's, and `GET /metrics` and `PATCH /entropy`, which are
/// ours.
package enum APIOperation: CaseIterable, Hashable, Sendable {
    case getInstance
    case putAction
    case getBalloon, putBalloon, patchBalloon
    case getBalloonStatistics, patchBalloonStatistics
    case startHinting, getHinting, stopHinting
    case putBootSource
    case putCPUConfig
    case putDrive, patchDrive, deleteDrive
    case putPmem, patchPmem, deletePmem
    case putLogger
    case getMachine, putMachine, patchMachine
    case getMetrics, putMetrics
    case getMMDS, putMMDS, patchMMDS
    case putMMDSConfig
    case putEntropy, patchEntropy
    case putSerial
    case getMemoryHotplug, putMemoryHotplug, patchMemoryHotplug
    case putNetwork, patchNetwork, deleteNetwork
    case createSnapshot, loadSnapshot
    case getVersion
    case patchVM
    case getVMConfig
    case putVsock

    /// Method and path; `{id}` stands for a resource's identifier.
    package var route: (method: HTTPMethod, path: String) {
        switch self {
        case .getInstance: (.get, "/")
        case .putAction: (.put, "/actions")
        case .getBalloon: (.get, "/balloon")
        case .putBalloon: (.put, "/balloon")
        case .patchBalloon: (.patch, "/balloon")
        case .getBalloonStatistics: (.get, "/balloon/statistics")
        case .patchBalloonStatistics: (.patch, "/balloon/statistics")
        case .startHinting: (.patch, "/balloon/hinting/start")
        case .getHinting: (.get, "/balloon/hinting/status")
        case .stopHinting: (.patch, "/balloon/hinting/stop")
        case .putBootSource: (.put, "/boot-source")
        case .putCPUConfig: (.put, "/cpu-config")
        case .putDrive: (.put, "/drives/{id}")
        case .patchDrive: (.patch, "/drives/{id}")
        case .deleteDrive: (.delete, "/drives/{id}")
        case .putPmem: (.put, "/pmem/{id}")
        case .patchPmem: (.patch, "/pmem/{id}")
        case .deletePmem: (.delete, "/pmem/{id}")
        case .putLogger: (.put, "/logger")
        case .getMachine: (.get, "/machine-config")
        case .putMachine: (.put, "/machine-config")
        case .patchMachine: (.patch, "/machine-config")
        default: laterRoute
        }
    }

    private var laterRoute: (method: HTTPMethod, path: String) {
        switch self {
        case .getMetrics: (.get, "/metrics")
        case .putMetrics: (.put, "/metrics")
        case .getMMDS: (.get, "/mmds")
        case .putMMDS: (.put, "/mmds")
        case .patchMMDS: (.patch, "/mmds")
        case .putMMDSConfig: (.put, "/mmds/config")
        case .putEntropy: (.put, "/entropy")
        case .patchEntropy: (.patch, "/entropy")
        case .putSerial: (.put, "/serial")
        case .getMemoryHotplug: (.get, "/hotplug/memory")
        case .putMemoryHotplug: (.put, "/hotplug/memory")
        case .patchMemoryHotplug: (.patch, "/hotplug/memory")
        case .putNetwork: (.put, "/network-interfaces/{id}")
        case .patchNetwork: (.patch, "/network-interfaces/{id}")
        case .deleteNetwork: (.delete, "/network-interfaces/{id}")
        case .createSnapshot: (.put, "/snapshot/create")
        case .loadSnapshot: (.put, "/snapshot/load")
        case .getVersion: (.get, "/version")
        case .patchVM: (.patch, "/vm")
        case .getVMConfig: (.get, "/vm/config")
        case .putVsock: (.put, "/vsock")
        default: (.other(""), "")
        }
    }

    /// The object that its body is; nil: none, or any JSON (`/mmds`).
    package var body: (any APIObject.Type)? {
        switch self {
        case .putAction: InstanceAction.self
        case .putBalloon: BalloonConfig.self
        case .patchBalloon: BalloonUpdate.self
        case .patchBalloonStatistics: BalloonStatisticsUpdate.self
        case .startHinting: BalloonHintingStart.self
        case .putBootSource: BootSource.self
        case .putCPUConfig: CPUConfig.self
        case .putDrive: DriveConfig.self
        case .patchDrive: DriveUpdate.self
        case .putPmem: PmemConfig.self
        case .patchPmem: PmemUpdate.self
        case .putLogger: LoggerConfig.self
        case .putMachine: MachineConfig.self
        case .patchMachine: MachineUpdate.self
        case .putMetrics: MetricsConfig.self
        case .putMMDSConfig: MMDSConfig.self
        case .putEntropy, .patchEntropy: EntropyConfig.self
        case .putSerial: SerialConfig.self
        case .putMemoryHotplug: MemoryHotplugConfig.self
        case .patchMemoryHotplug: MemoryHotplugUpdate.self
        case .putNetwork: NetworkConfig.self
        case .patchNetwork: NetworkUpdate.self
        case .createSnapshot: SnapshotCreation.self
        case .loadSnapshot: SnapshotLoad.self
        case .patchVM: InstanceState.self
        case .putVsock: VsockConfig.self
        default: nil
        }
    }

    /// Whether it may come with and without a body.
    var bodyIsOptional: Bool { self == .startHinting || self == .stopHinting }

    /// Its group of counters and its name there; nil: it is not counted.
    package var metric: (group: String, name: String)? {
        let name: String
        switch self {
        case .getInstance: name = "instance_info"
        case .putAction: name = "actions"
        case .putBootSource: name = "boot_source"
        case .putCPUConfig: name = "cpu_cfg"
        case .putDrive, .patchDrive: name = "drive"
        case .putPmem, .patchPmem: name = "pmem"
        case .putLogger: name = "logger"
        case .getMachine, .putMachine, .patchMachine: name = "machine_cfg"
        case .putMetrics: name = "metrics"
        case .getMMDS, .putMMDS, .patchMMDS, .putMMDSConfig: name = "mmds"
        case .putSerial: name = "serial"
        case .getMemoryHotplug, .putMemoryHotplug, .patchMemoryHotplug: name = "hotplug_memory"
        case .putNetwork, .patchNetwork: name = "network"
        case .getVersion: name = "vmm_version"
        case .putVsock: name = "vsock"
        default: return nil
        }
        switch route.method {
        case .get: return ("get_api_requests", name)
        case .put: return ("put_api_requests", name)
        case .patch: return ("patch_api_requests", name)
        case .delete, .other: return nil
        }
    }
}

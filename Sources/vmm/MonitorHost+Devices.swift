// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Machine

/// Devices of the running machine: changes to them, and what they say of themselves.
extension MonitorHost {
    func change(_ change: DeviceChange) throws(APIFault) {
        guard let machine else { throw .beforeStart }
        switch change {
        case .drive(let update): try self.change(update, machine)
        case .balloon(let amount):
            guard machine.setBalloon(mebibytes: amount) else { throw .deviceNotFound }
        case .balloonStatistics(let seconds):
            guard machine.setBalloonStatistics(seconds: seconds) else { throw .deviceNotFound }
        case .startHinting(let start):
            guard machine.startHinting(acknowledgesStop: start.acknowledgesOnStop) else {
                throw .deviceNotFound
            }
        case .stopHinting:
            guard machine.stopHinting() else { throw .deviceNotFound }
        case .memory(let size):
            guard machine.setHotplug(requested: UInt64(size) << 20) else {
                throw APIFault(
                    "Memory hotplug update error: there are no such blocks of memory")
            }
        case .network(let update): try self.change(update, machine)
        case .pmem(let update): try self.change(update, machine)
        case .entropy(let limiter):
            guard machine.setEntropyLimits(MachineConfiguration.Limits(limiter)) else {
                throw .deviceNotFound
            }
        case .insertDrive, .insertNetwork, .insertPmem, .remove:
            throw APIFault("PCI is not enabled")
        }
    }

    private func change(_ update: NetworkUpdate, _ machine: Machine) throws(APIFault) {
        do throws(MachineError) {
            try machine.setLimits(
                ofNetwork: update.id,
                receive: update.receiveLimiter.map { MachineConfiguration.Limits($0) },
                transmit: update.transmitLimiter.map { MachineConfiguration.Limits($0) })
        } catch {
            throw APIFault("Network config error: Unable to update the net device: \(error)")
        }
    }

    private func change(_ update: PmemUpdate, _ machine: Machine) throws(APIFault) {
        guard let limiter = update.rateLimiter else { return }
        do throws(MachineError) {
            try machine.setLimits(ofPmem: update.id, MachineConfiguration.Limits(limiter))
        } catch {
            throw APIFault("Pmem config error: Unable to patch the pmem device: \(error)")
        }
    }

    private func change(_ update: DriveUpdate, _ machine: Machine) throws(APIFault) {
        if let path = update.path { try checkFile(path) }
        do throws(MachineError) {
            if let path = update.path { try machine.replaceDisk(ofDrive: update.id, path: path) }
            if let limiter = update.rateLimiter {
                try machine.setLimits(
                    ofDrive: update.id, MachineConfiguration.Limits(limiter))
            }
        } catch {
            throw APIFault(
                "Drive config error: Unable to patch the block device: \(error) Please verify the"
                    + " request arguments.")
        }
    }

    /// Says why a file cannot be a running drive's; one that is there may be out of reach by now.
    private func checkFile(_ path: String) throws(APIFault) {
        guard let error = FileSystem.openError(path, writable: false) else { return }
        let advice =
            error == .noAccess
            ? " Once the guest runs only files in or below the folders of its drives can be opened,"
                + " unless that is /, and those of --allow-folder." : ""
        throw APIFault(
            "Drive config error: Unable to patch the block device: Error manipulating the backing"
                + " file: \(error.withNumber) \(JSONError.printable(path, limit: 256)) Please verify"
                + " the request arguments.\(advice)")
    }

    func ask(_ question: DeviceQuestion) throws(APIFault) -> JSON {
        guard let machine else { throw .beforeStart }
        switch question {
        case .memory:
            guard let status = machine.hotplugStatus else { throw .deviceNotFound }
            return .object([
                ("total_size_mib", .integer(status.total >> 20)),
                ("block_size_mib", .integer(status.blockSize >> 20)),
                ("plugged_size_mib", .integer(status.plugged >> 20)),
                ("requested_size_mib", .integer(status.requested >> 20)),
            ])
        case .balloonStatistics:
            guard let status = machine.balloonStatus else { throw .deviceNotFound }
            guard status.interval > 0 else {
                throw APIFault("Internal VMM error: statistics were not enabled before the start")
            }
            return .object(status.named.map { ($0.name, .integer($0.value)) })
        case .hinting:
            guard let status = machine.balloonStatus, status.canHint else {
                throw APIFault("Balloon update error: Hinting was not enabled before the start.")
            }
            return .object([
                ("host_cmd", .integer(status.hostCommand)),
                ("guest_cmd", status.guestCommand.map { .integer($0) } ?? .null),
            ])
        }
    }
}

extension TapError {
    /// In Firecracker's words. That would make an interface that is not there; we say how to.
    var fault: String {
        switch self {
        case .name(let name): "Invalid interface name: \(JSONError.printable(name))"
        case .absent(let name):
            Self.refusal(of: name, .noDevice) + " Make it: ip tuntap add dev \(name) mode tap"
        case .noTun(let error): "Couldn't open /dev/net/tun: \(error.withNumber)"
        case .host(let name, let error): Self.refusal(of: name, error)
        case .descriptor: "\(self)"
        }
    }

    private static func refusal(of name: String, _ error: Errno) -> String {
        "Error while creating ifreq structure: \(error.withNumber). Invalid TUN/TAP Backend"
            + " provided by \(name). Check our documentation on setting up the network devices."
    }
}

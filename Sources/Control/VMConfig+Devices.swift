// SPDX-License-Identifier: Apache-2.0

/// Setting devices one by one, with Firecracker's rules of what fits together.
extension VMConfig {
    /// Adds a drive, or replaces the one of the same name. The root device comes first.
    package mutating func insert(_ drive: DriveConfig) throws(ConfigFault) {
        let subject = "Drive config error"
        let index = drives.firstIndex { $0.id == drive.id }
        if drive.isRootDevice {
            guard !pmems.contains(where: \.isRootDevice) else {
                throw ConfigFault(
                    subject,
                    "Attempt to add block as a root device while the root device defined as a pmem"
                        + " device")
            }
            if let root = drives.firstIndex(where: \.isRootDevice), root != index {
                throw ConfigFault(subject, "A root block device already exists!")
            }
        }
        if let index { drives.remove(at: index) }
        try checkRoom(drives.count, subject)
        drives.insert(drive, at: drive.isRootDevice ? 0 : index ?? drives.count)
    }

    /// Adds a network interface, or replaces the one of the same name.
    package mutating func insert(_ network: NetworkConfig) throws(ConfigFault) {
        let subject = "Network config error"
        for other in networks where other.id != network.id {
            if let address = network.guestMAC, address == other.guestMAC {
                throw ConfigFault(subject, "The MAC address is already in use: \(address)")
            }
            if network.hostDevice == other.hostDevice {
                throw ConfigFault(
                    subject,
                    "Could not create the network device: the host device"
                        + " \(network.hostDevice) is already in use by \(other.id)")
            }
        }
        if let index = networks.firstIndex(where: { $0.id == network.id }) {
            networks[index] = network
        } else {
            try checkRoom(networks.count, subject)
            networks.append(network)
        }
    }

    /// Adds a persistent memory, or replaces the one of the same name.
    package mutating func insert(_ pmem: PmemConfig) throws(ConfigFault) {
        let subject = "Pmem config error"
        if pmem.isRootDevice {
            guard !drives.contains(where: \.isRootDevice) else {
                throw ConfigFault(
                    subject,
                    "Attempt to add pmem as a root device while the root device defined as a block"
                        + " device")
            }
            guard !pmems.contains(where: { $0.isRootDevice && $0.id != pmem.id }) else {
                throw ConfigFault(subject, "A root pmem device already exist")
            }
        }
        if let index = pmems.firstIndex(where: { $0.id == pmem.id }) {
            pmems[index] = pmem
        } else {
            try checkRoom(pmems.count, subject)
            pmems.append(pmem)
        }
    }

    private func checkRoom(_ count: Int, _ subject: String) throws(ConfigFault) {
        guard count < Self.deviceLimit else {
            throw ConfigFault(subject, "there are \(Self.deviceLimit) devices of this kind already")
        }
    }

    /// Sets the balloon, which is no larger than the machine's memory.
    package mutating func set(_ balloon: BalloonConfig) throws(ConfigFault) {
        guard UInt64(balloon.amount) <= machine.memorySize else {
            throw ConfigFault(
                "Balloon config error", "Amount of pages requested is too large.")
        }
        self.balloon = balloon
    }

    /// Changes the machine, whose memory is no smaller than the balloon.
    package mutating func set(_ machine: MachineConfig) throws(ConfigFault) {
        if let balloon, UInt64(balloon.amount) > machine.memorySize {
            throw ConfigFault(
                "Machine config error",
                "The memory size (MiB) is smaller than the previously set balloon device target"
                    + " size.")
        }
        self.machine = machine
    }

    /// Sets how metadata are served, on interfaces that are there.
    package mutating func set(_ mmds: MMDSConfig) throws(ConfigFault) {
        // With three Ms, as Firecracker says it.
        let subject = "MMMDS config error"
        guard mmds.address.isLinkLocal else {
            throw ConfigFault(subject, "The MMDS IPv4 address is not link local.")
        }
        guard !mmds.interfaces.isEmpty else {
            throw ConfigFault(
                subject,
                "The list of network interface IDs that allow forwarding MMDS requests is empty.")
        }
        guard mmds.interfaces.allSatisfy({ name in networks.contains { $0.id == name } }) else {
            throw ConfigFault(
                subject,
                "The list of network interface IDs provided contains at least one ID that does not"
                    + " correspond to any existing network interface.")
        }
        self.mmds = mmds
    }
}

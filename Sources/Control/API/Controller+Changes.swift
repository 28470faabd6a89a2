// SPDX-License-Identifier: Apache-2.0

/// Changes to devices of a machine that runs or is paused.
extension Controller {
    mutating func change(_ request: APIRequest) throws(APIFault) {
        switch request {
        case .patchDrive(let update): try change(update)
        case .patchNetwork(let update): try change(update)
        case .patchPmem(let update): try change(update)
        case .patchEntropy(let update): try change(update)
        case .patchBalloon, .patchBalloonStatistics, .startHinting, .stopHinting:
            try changeBalloon(request)
        case .patchMemoryHotplug(let update): try change(update)
        case .putDrive(let drive): try plug(.insertDrive(drive), id: drive.id)
        case .putNetwork(let network): try plug(.insertNetwork(network), id: network.id)
        case .putPmem(let pmem): try plug(.insertPmem(pmem), id: pmem.id)
        case .remove(let kind, let id): try unplug(kind, id)
        default: throw .afterStart
        }
    }

    private mutating func change(_ update: DriveUpdate) throws(APIFault) {
        guard let index = config.drives.firstIndex(where: { $0.id == update.id }) else {
            throw APIFault(
                "Drive config error: Unable to patch the block device: Device not found Please"
                    + " verify the request arguments.")
        }
        guard update.path != nil || update.rateLimiter != nil else {
            throw APIFault(
                "Drive config error: Unable to patch the block device: Running method expected"
                    + " different backend. Please verify the request arguments.")
        }
        // The host is told all limits: those that are not named stay as they were.
        var whole = update
        whole.rateLimiter = update.rateLimiter.map { limiter in
            (config.drives[index].rateLimiter ?? RateLimiterConfig()).updated(by: limiter)
        }
        try host.change(.drive(whole))
        if let path = whole.path { config.drives[index].path = path }
        if let limiter = whole.rateLimiter { config.drives[index].rateLimiter = limiter }
    }

    private mutating func change(_ update: NetworkUpdate) throws(APIFault) {
        guard let index = config.networks.firstIndex(where: { $0.id == update.id }) else {
            throw APIFault("Network config error: Unable to update the net device: not found")
        }
        let old = config.networks[index]
        var whole = update
        whole.receiveLimiter = update.receiveLimiter.map {
            (old.receiveLimiter ?? RateLimiterConfig()).updated(by: $0)
        }
        whole.transmitLimiter = update.transmitLimiter.map {
            (old.transmitLimiter ?? RateLimiterConfig()).updated(by: $0)
        }
        try host.change(.network(whole))
        if let limiter = whole.receiveLimiter { config.networks[index].receiveLimiter = limiter }
        if let limiter = whole.transmitLimiter { config.networks[index].transmitLimiter = limiter }
    }

    private mutating func change(_ update: PmemUpdate) throws(APIFault) {
        guard let index = config.pmems.firstIndex(where: { $0.id == update.id }) else {
            throw APIFault(
                "Pmem config error: Unable to patch the pmem device: Device not found Please verify"
                    + " the request arguments.")
        }
        var whole = update
        whole.rateLimiter = update.rateLimiter.map { limiter in
            (config.pmems[index].rateLimiter ?? RateLimiterConfig()).updated(by: limiter)
        }
        try host.change(.pmem(whole))
        if let limiter = whole.rateLimiter { config.pmems[index].rateLimiter = limiter }
    }

    private mutating func change(_ update: EntropyConfig) throws(APIFault) {
        guard let entropy = config.entropy else {
            throw APIFault("Entropy config error: Device not found")
        }
        guard let limiter = update.rateLimiter else { return }
        // Without one its requests are the processors' own work, for ever.
        guard let old = entropy.rateLimiter else {
            throw APIFault(
                "Entropy config error: the device was made without a rate limiter; one without"
                    + " buckets limits nothing and can be changed")
        }
        let whole = old.updated(by: limiter)
        try host.change(.entropy(whole))
        config.entropy?.rateLimiter = whole
    }

    private mutating func changeBalloon(_ request: APIRequest) throws(APIFault) {
        guard let balloon = config.balloon else {
            throw APIFault("Balloon update error: Device not found")
        }
        switch request {
        case .patchBalloon(let update):
            guard UInt64(update.amount) <= config.machine.memorySize else {
                throw APIFault("Balloon update error: Amount of pages requested is too large.")
            }
            try host.change(.balloon(update.amount))
            config.balloon?.amount = update.amount
        case .patchBalloonStatistics(let update):
            guard (update.interval == 0) == (balloon.statisticsInterval == 0) else {
                throw APIFault(
                    "Balloon update error: Statistics cannot be enabled or disabled after boot.")
            }
            try host.change(.balloonStatistics(update.interval))
            config.balloon?.statisticsInterval = update.interval
        default:
            guard balloon.hintsFreePages else {
                throw APIFault("Balloon update error: Hinting was not enabled before the start.")
            }
            if case .startHinting(let start) = request {
                try host.change(.startHinting(start))
            } else {
                try host.change(.stopHinting)
            }
        }
    }

    private func change(_ update: MemoryHotplugUpdate) throws(APIFault) {
        guard let memory = config.memoryHotplug else { throw .deviceNotFound }
        guard update.requestedSize <= memory.totalSize,
            update.requestedSize.isMultiple(of: memory.blockSize)
        else {
            throw APIFault(
                "Memory hotplug update error: the requested size must be a multiple of"
                    + " \(memory.blockSize) MiB and at most \(memory.totalSize) MiB")
        }
        try host.change(.memory(update.requestedSize))
    }

    // MARK: Devices that come and go

    private mutating func plug(_ change: DeviceChange, id: String) throws(APIFault) {
        let isTaken =
            config.drives.contains { $0.id == id } || config.networks.contains { $0.id == id }
            || config.pmems.contains { $0.id == id }
        guard !isTaken else { throw APIFault("Device ID in use") }
        var config = config
        do throws(ConfigFault) {
            switch change {
            case .insertDrive(let drive): try config.insert(drive)
            case .insertNetwork(let network): try config.insert(network)
            case .insertPmem(let pmem): try config.insert(pmem)
            default: break
            }
        } catch {
            throw APIFault(error)
        }
        try host.change(change)
        self.config = config
    }

    private mutating func unplug(_ kind: APIRequest.DeviceKind, _ id: String) throws(APIFault) {
        let isRoot: Bool?
        switch kind {
        case .drive: isRoot = config.drives.first { $0.id == id }?.isRootDevice
        case .pmem: isRoot = config.pmems.first { $0.id == id }?.isRootDevice
        case .network: isRoot = config.networks.contains { $0.id == id } ? false : nil
        }
        guard let isRoot else { throw .deviceNotFound }
        guard !isRoot else { throw APIFault("Cannot unplug root device") }
        try host.change(.remove(kind, id: id))
        switch kind {
        case .drive: config.drives.removeAll { $0.id == id }
        case .pmem: config.pmems.removeAll { $0.id == id }
        case .network: config.networks.removeAll { $0.id == id }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Which frames a driver asks for. A TAP link carries none but the guest's own, so that nothing
/// has to be kept away from it; the wishes are kept to be seen. VIRTIO 1.2, 5.1.6.5.1.
package struct NetReceiveMode: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Everything, and all groups, all single addresses; or none of either, and no broadcasts.
    package static let everything = NetReceiveMode(rawValue: 1)
    /// What may be set, one bit a command, in their order.
    static let all = NetReceiveMode(rawValue: 0x3f)
}

/// Commands of the driver. VIRTIO 1.2, 5.1.6.5.
extension Net {
    private enum Class {
        static var receive: UInt8 { 0 }
        static var mac: UInt8 { 1 }
        static var pairs: UInt8 { 4 }
        static var offloads: UInt8 { 5 }
    }

    /// Carries out what waits; each command is answered with 0 or, if it is refused, with 1.
    mutating func control(_ queue: inout Virtqueue) throws(VirtqueueError) {
        driver.owesControl = false
        for _ in 0..<Self.turnLimit {
            guard let chain = try queue.next() else { return }
            let answer: UInt8 = obey(chain.readable) ? 0 : 1
            let written = chain.writable.store(answer) ? 1 : 0
            queue.complete(chain, written: written)
        }
        host.again.signal()
        driver.owesControl = true
    }

    private mutating func obey(_ command: borrowing GuestSlices) -> Bool {
        guard let kind = command.load(UInt8.self), let number = command.load(UInt8.self, at: 1)
        else { return false }
        switch kind {
        case Class.receive: return setReceiveMode(number, command)
        case Class.mac where number == 0: return isTable(command)
        case Class.mac where number == 1: return setMAC(command)
        case Class.pairs where number == 0: return setPairs(command)
        case Class.offloads where number == 0: return setGuestOffloads(command)
        default: return false
        }
    }

    private mutating func setReceiveMode(
        _ number: UInt8, _ command: borrowing GuestSlices
    ) -> Bool {
        let mode = NetReceiveMode(rawValue: number < 8 ? 1 << number : 0)
        let needed: FeatureSet = number < 2 ? .netControlReceive : .netControlReceiveExtra
        guard NetReceiveMode.all.contains(mode), !mode.isEmpty,
            driver.features.contains(needed), command.byteCount == 3,
            let isOn = command.load(UInt8.self, at: 2), isOn <= 1
        else { return false }
        if isOn == 1 {
            driver.receiveMode.insert(mode)
        } else {
            driver.receiveMode.remove(mode)
        }
        return true
    }

    /// Two tables of addresses, each with its length before it. 5.1.6.5.2.
    private func isTable(_ command: borrowing GuestSlices) -> Bool {
        guard driver.features.contains(.netControlReceive) else { return false }
        var position = 2
        for _ in 0..<2 {
            guard let count = command.load(UInt32.self, at: position) else { return false }
            position += 4
            let (bytes, overflow) = Int(count).multipliedReportingOverflow(by: 6)
            guard !overflow, bytes <= command.byteCount - position else { return false }
            position += bytes
        }
        return position == command.byteCount
    }

    private mutating func setMAC(_ command: borrowing GuestSlices) -> Bool {
        guard driver.features.contains(.netControlMAC), command.byteCount == 8 else {
            return false
        }
        var bytes = [UInt8](repeating: 0, count: 6)
        guard command.copyOut(at: 2, count: 6, into: &bytes, at: 0) == 6,
            let address = MACAddress(bytes), address.isUnicast
        else { return false }
        mac = address
        return true
    }

    /// 5.1.6.5.5.
    private mutating func setPairs(_ command: borrowing GuestSlices) -> Bool {
        guard driver.features.contains(.netManyQueues), command.byteCount == 4,
            let count = command.load(UInt16.self, at: 2),
            (1...link.queueCount).contains(Int(count))
        else { return false }
        guard setPairCount(Int(count)) else { return false }
        host.again.signal()
        return true
    }

    /// 5.1.6.5.6.
    private mutating func setGuestOffloads(_ command: borrowing GuestSlices) -> Bool {
        guard driver.features.contains(.netControlOffloads), command.byteCount == 10,
            let bits = command.load(UInt64.self, at: 2)
        else { return false }
        let wanted = FeatureSet(rawValue: bits)
        let known = FeatureSet(FeatureSet.netGuestOffloads.map(\.0))
        guard wanted.isSubset(of: known.intersection(driver.features)) else { return false }
        setOffloads(wanted.netOffloads)
        return true
    }
}

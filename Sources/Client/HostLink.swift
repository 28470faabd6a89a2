// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// The host's end of a machine's network, until the monitor has it.
struct HostLink: ~Copyable {
    private let name: String?
    /// Largest packet of an interface that was there already, in bytes.
    private let mtu: Int?
    private let file: FileDescriptor
    private let addresses: LinkAddresses?

    /// Looks a TAP device up, or makes one that lives as long as somebody has it open.
    init(_ network: MicroVM.Network?) throws(ClientError) {
        switch network {
        case nil:
            name = nil
            mtu = nil
            file = FileDescriptor(adopting: -1)
            addresses = nil
        case .tap(let wanted):
            mtu = try Self.check(wanted)
            name = wanted
            file = FileDescriptor(adopting: -1)
            addresses = nil
        case .own:
            let made = try Self.make()
            name = made.name
            mtu = nil
            addresses = LinkAddresses(interface: made.name)
            file = made.release()
        }
    }

    /// The open TAP device, for the monitor; nil: it opens one by name, or none.
    var descriptor: CInt? { addresses == nil ? nil : file.rawValue }

    /// Gives the machine its interface; `number` is what the monitor will know the descriptor by.
    func join(_ config: inout VMConfig, as number: CInt) {
        guard let name else { return }
        var network = NetworkConfig(id: "eth0", hostDevice: name)
        network.mtu = mtu.flatMap(UInt16.init(exactly:)).flatMap {
            NetworkConfig.mtuRange.contains($0) ? $0 : nil
        }
        if let addresses {
            network.hostDevice = "/dev/fd/\(number)"
            network.guestMAC = MACAddress(addresses.guestMAC)
            let words = [config.bootSource.arguments ?? "", addresses.kernelWord]
            config.bootSource.arguments = words.joined(separator: " ")
        }
        config.networks = [network]
    }

    /// The MTU of the interface, which must exist.
    private static func check(_ name: String) throws(ClientError) -> Int? {
        let error: TapError
        if !NetworkInterface.isName(name) {
            error = .name(name)
        } else if !NetworkInterface.exists(name) {
            error = .absent(name)
        } else {
            return try? NetworkInterface.mtu(of: name)
        }
        throw ClientError(.badConfiguration, "\(error)")
    }

    private static func make() throws(ClientError) -> TapDevice {
        let device: TapDevice
        do throws(TapError) {
            device = try TapDevice(creating: "swiftlet%d")
        } catch {
            throw ClientError(
                .system, "\(error); making a TAP device needs root, or name one: --net tap=NAME")
        }
        guard let addresses = LinkAddresses(interface: device.name) else {
            throw ClientError(.system, "no addresses are left for the interface \(device.name)")
        }
        do throws(Errno) {
            try NetworkInterface.add(
                addresses.host4, prefix: LinkAddresses.prefix4, to: device.name)
            // A host may have no IPv6.
            try? NetworkInterface.add(
                addresses.host6, prefix: LinkAddresses.prefix6, to: device.name)
            try NetworkInterface.bringUp(device.name)
        } catch {
            throw ClientError(
                .system, "the interface \(device.name) cannot be given its addresses: \(error)")
        }
        return device
    }
}

/// The addresses of both ends of a link, told apart by the number of the host's interface.
///
/// 172.30.0.0/16 has room for 16,384 links of four addresses; the IPv6 networks are local ones
/// (RFC 4193).
package struct LinkAddresses: Hashable, Sendable {
    package static var prefix4: Int { 30 }
    package static var prefix6: Int { 64 }

    private let number: UInt16

    /// For an interface whose name ends in a number below 16,384; nil for another.
    package init?(interface name: String) {
        let digits = String(name.reversed().prefix { ("0"..."9").contains($0) }.reversed())
        guard let number = UInt16(digits), number < 1 << 14 else { return nil }
        self.number = number
    }

    package var host4: [UInt8] { address4(1) }
    package var guest4: [UInt8] { address4(2) }
    package var host6: [UInt8] { address6(1) }
    package var guest6: [UInt8] { address6(2) }

    private func address4(_ end: UInt8) -> [UInt8] {
        [172, 30, UInt8(number >> 6), UInt8(number & 63) << 2 | end]
    }

    private func address6(_ end: UInt8) -> [UInt8] {
        [
            0xfd, 0x73, 0x77, 0x69, 0x66, 0x74, UInt8(number >> 8),
            UInt8(truncatingIfNeeded: number), 0, 0, 0, 0, 0, 0, 0, end,
        ]
    }

    /// Firecracker's way: the guest's IPv4 address in an address of local meaning.
    package var guestMAC: String {
        ([6, 0] + guest4).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined(separator: ":")
    }

    /// Tells the agent: address and gateway, twice.
    package var kernelWord: String {
        let words = [
            "\(Self.text4(guest4))/\(Self.prefix4)", Self.text4(host4),
            "\(Self.text6(guest6))/\(Self.prefix6)", Self.text6(host6),
        ]
        return "swiftlet.net=" + words.joined(separator: ",")
    }

    private static func text4(_ address: [UInt8]) -> String {
        address.map { String($0) }.joined(separator: ".")
    }

    private static func text6(_ address: [UInt8]) -> String {
        stride(from: 0, to: 16, by: 2).map { index in
            String(UInt16(address[index]) << 8 | UInt16(address[index + 1]), radix: 16)
        }.joined(separator: ":")
    }
}

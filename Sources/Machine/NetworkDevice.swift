// SPDX-License-Identifier: Apache-2.0
import Devices
import Linux

extension MachineConfiguration.Network {
    /// Where the guest finds its metadata on this link, if it does.
    func makeEndpoint(_ link: MachineConfiguration.MetadataLink) -> MetadataEndpoint {
        MetadataEndpoint(address: link.address, mtu: Int(mtu ?? 1500), open: link.open)
    }

    /// Makes the device; its TAP device is opened now, unless it has been.
    func makeDevice(
        _ endpoint: MetadataEndpoint?, on open: OpenLink?
    ) throws(MachineError) -> sending Net {
        let link = try link(open)
        var configuration = Net.Configuration(mtu: mtu)
        if let mac {
            guard let address = MACAddress(mac), address.isUnicast else {
                throw .device("network: \(device): the MAC address is not that of one interface")
            }
            configuration.mac = address
        }
        configuration.receiveLimits = receive.rates
        configuration.transmitLimits = transmit.rates
        do throws(Errno) {
            var device = try Net(configuration, on: link)
            device.responder = endpoint
            return device
        } catch {
            throw .device("network: \(device): \(error)")
        }
    }

    /// The device of `open`, if that is ours and has not been taken, or opened now.
    private func link(_ open: OpenLink?) throws(MachineError) -> TapDevice {
        if let open, open.device == device, let link = open.take() { return link }
        do throws(TapError) {
            return try OpenLink.open(device)
        } catch {
            throw .device("network: \(error)")
        }
    }
}

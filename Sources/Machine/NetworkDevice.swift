// SPDX-License-Identifier: Apache-2.0
import Devices
import Linux

extension MachineConfiguration.Network {
    /// Makes the device; its TAP device is opened now.
    func makeDevice() throws(MachineError) -> sending Net {
        let link = try openLink()
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
            return try Net(configuration, on: link)
        } catch {
            throw .device("network: \(device): \(error)")
        }
    }

    private func openLink() throws(MachineError) -> TapDevice {
        let prefix = "/dev/fd/"
        do throws(TapError) {
            guard device.hasPrefix(prefix) else {
                return try TapDevice(opening: device, queues: TapDevice.queueLimit)
            }
            guard let number = CInt(device.dropFirst(prefix.count)), number > 2 else {
                throw .name(device)
            }
            return try TapDevice(adopting: FileDescriptor(adopting: number))
        } catch {
            throw .device("network: \(error)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Devices
import Linux
import Virtio

/// Disks on the buses.
extension Layout {
    /// Adds the disks, in their order.
    mutating func addDrives(
        _ configuration: MachineConfiguration
    ) throws(MachineError) -> [String: MMIOTransport<Block>] {
        var drives: [String: MMIOTransport<Block>] = [:]
        for drive in configuration.drives {
            drives[drive.id] = try addDrive(drive, cpuCount: configuration.cpuCount)
        }
        return drives
    }

    /// Adds a disk, which is served on a thread of its own.
    private mutating func addDrive(
        _ drive: MachineConfiguration.Drive, cpuCount: Int
    ) throws(MachineError) -> MMIOTransport<Block> {
        let configuration = BlockConfiguration(drive, cpuCount: cpuCount)
        let thread: DeviceThread
        do throws(Errno) {
            thread = try DeviceThread(name: "block \(drive.id)")
        } catch {
            throw .device("drive \(drive.id) has no thread: \(error)")
        }
        return try addVirtio(try Self.makeBlock(configuration), on: thread)
    }

    private static func makeBlock(
        _ configuration: BlockConfiguration
    ) throws(MachineError) -> sending Block {
        do throws(BlockError) {
            return try Block(configuration)
        } catch {
            throw .device("drive \(configuration.id): \(error)")
        }
    }
}

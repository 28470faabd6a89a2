// SPDX-License-Identifier: Apache-2.0
import Control
import Machine

extension Logger {
    /// Says who runs the guest, and at Debug what it was given and where that is: what somebody
    /// looks for whose guest finds no disk, or is slow.
    func log(_ machine: Machine, _ config: VMConfig) {
        guard isWanted(.info) else { return }
        log(.info, "The guest's engine is \(machine.engine.description).")
        guard isWanted(.debug) else { return }
        log(
            .debug,
            "The guest's vCPUs: \(config.machine.vcpuCount), memory:"
                + " \(config.machine.memorySize) MiB, kernel: \(config.bootSource.kernelPath),"
                + " initrd: \(config.bootSource.initrdPath ?? "none").")
        for device in machine.deviceWindows {
            log(
                .debug,
                "A virtio device, \(device.kind), is at 0x\(String(device.base, radix: 16)),"
                    + " interrupt \(device.interrupt).")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Devices
import Linux
import Memory
import Virtio

extension Layout {
    /// Adds the files that the guest has as memory, each flushed on a thread of its own.
    mutating func addPmems(
        _ configuration: MachineConfiguration
    ) throws(MachineError) -> [String: MMIOTransport<Pmem>] {
        var pmems: [String: MMIOTransport<Pmem>] = [:]
        do throws(Errno) {
            try memory.watchLosses()
        } catch {
            throw .device("pmem: too many files for one machine: \(error)")
        }
        for (pmem, memory) in zip(configuration.pmems, memory.persistent) {
            let thread: DeviceThread
            do throws(Errno) {
                thread = try DeviceThread(name: "pmem \(pmem.id)")
            } catch {
                throw .device("pmem \(pmem.id) has no thread: \(error)")
            }
            pmems[pmem.id] = try addVirtio(try Self.makePmem(pmem, memory), on: thread)
        }
        return pmems
    }

    private static func makePmem(
        _ pmem: MachineConfiguration.Pmem, _ memory: PersistentMemory
    ) throws(MachineError) -> sending Pmem {
        do throws(Errno) {
            return try Pmem(memory, limits: pmem.limits.rates)
        } catch {
            throw .device("pmem \(pmem.id): \(error)")
        }
    }
}

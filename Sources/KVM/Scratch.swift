// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor
import Linux
import Memory

extension KVMHost {
    /// A machine of one page and one processor, for the trial.
    package enum Scratch {
        private static var iterations: UInt32 { 500 }
        /// Instructions of the loop.
        package static var instructions: UInt64 { UInt64(iterations) * 2 }

        /// Rounds of which the quickest counts, where the time decides.
        private static var runs: Int { 8 }

        private static var base: UInt64 { 0x1000 }

        /// MOV ECX, iterations; DEC ECX; JNZ to it; OUT 0x80, AL; JMP to the first.
        private static var code: [UInt8] {
            let count = (0..<4).map { UInt8(truncatingIfNeeded: iterations >> UInt32($0 * 8)) }
            return [0xb9] + count + [0x49, 0x75, 0xfd, 0xe6, 0x80, 0xeb, 0xf4]
        }

        /// - Parameter mayCount: False: as on a kernel that does not count.
        static func run(
            on device: borrowing KVMDevice, mayCount: Bool = true
        ) throws(KVMError) -> Evidence {
            let vm = try device.makeVM()
            let page = try makePage()
            // SAFETY is the mapping's: it outlives the machine, which goes first.
            try vm.map(
                GuestRegion(
                    base: GuestAddress(base), byteCount: UInt64(page.byteCount),
                    hostAddress: page.address),
                slot: 0)
            let vcpu = try vm.makeVCPU(index: 0, mapSize: try device.vcpuMapSize())
            try setRegisters(vcpu)
            var least = try time(vcpu)
            if mayCount, device.check(.statistics) != 0,
                let count = Statistics.value("insn_emulation", of: try vcpu.statistics())
            {
                return .count(count)
            }
            // The first run includes page faults, and any may be interrupted.
            for _ in 1..<runs where Evidence.time(least).isEmulated {
                least = min(least, try time(vcpu))
            }
            return .time(least)
        }

        /// Nanoseconds that one more round takes.
        private static func time(_ vcpu: borrowing VCPUDescriptor) throws(KVMError) -> UInt64 {
            let start = Clock.monotonic
            try execute(vcpu)
            return Clock.monotonic &- start
        }

        private static func makePage() throws(KVMError) -> Mapping {
            do throws(Errno) {
                let page = try Mapping.anonymous(byteCount: 4096)
                page.fill(code)
                return page
            } catch {
                throw .request(.setUserMemoryRegion, error)
            }
        }

        /// 32-bit protected mode without paging: no processor needs help with it.
        private static func setRegisters(_ vcpu: borrowing VCPUDescriptor) throws(KVMError) {
            var system = SystemRegisters(try vcpu.systemRegisters())
            let data = Segment(selector: 0x10, base: 0, limit: .max, attributes: 0xc093)
            system.cs = Segment(selector: 8, base: 0, limit: .max, attributes: 0xc09b)
            system.ss = data
            system.ds = data
            system.es = data
            system.fs = data
            system.gs = data
            system.tr.attributes = 0x8b
            system.cr0 = 0x11
            try vcpu.setSystemRegisters(kvm_sregs(system, nil))
            var general = GeneralRegisters()
            general.rip = base
            try vcpu.setRegisters(kvm_regs(general))
        }

        private static func execute(_ vcpu: borrowing VCPUDescriptor) throws(KVMError) {
            while true {
                do throws(Errno) {
                    try vcpu.run()
                } catch .interrupted {
                    continue
                } catch {
                    throw .request(.run, error)
                }
                guard case .port = vcpu.page.exit else { throw .scratch("\(vcpu.page.exit)") }
                return
            }
        }
    }
}

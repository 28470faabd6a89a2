// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing

@testable import Devices

@Suite struct ConformanceTests {
    @Test(arguments: VirtioConformance<Entropy>.cases)
    func `Entropy conforms`(_ rule: VirtioConformance<Entropy>.Case) throws {
        #expect(try rule.check { Entropy() } == [])
    }

    @Test(arguments: VirtioConformance<Entropy>.cases)
    func `Entropy with limits conforms`(_ rule: VirtioConformance<Entropy>.Case) throws {
        let limits = RateLimits(
            operations: TokenBucketLimit(size: 1 << 40, refillTime: 1000))
        #expect(try rule.check { try Entropy(limits) } == [])
    }

    @Test(arguments: VirtioConformance<Vsock>.cases)
    func `Sockets conform`(_ rule: VirtioConformance<Vsock>.Case) throws {
        #expect(try rule.check { try Vsock(guestCID: 3, path: VsockGuest.freshPath()) } == [])
    }

    @Test(arguments: VirtioConformance<Net>.cases)
    func `Network interfaces conform`(_ rule: VirtioConformance<Net>.Case) throws {
        let link = try NetGuest.Link(queues: 2)
        #expect(try rule.check { try link.device() } == [])
    }

    @Test(arguments: VirtioConformance<Balloon>.cases)
    func `A balloon conforms`(_ rule: VirtioConformance<Balloon>.Case) throws {
        #expect(try rule.check { try Balloon(BalloonTests.everything, target: 100) } == [])
    }

    @Test(arguments: VirtioConformance<MemoryDevice>.cases)
    func `Pluggable memory conforms`(_ rule: VirtioConformance<MemoryDevice>.Case) throws {
        #expect(
            try rule.check {
                try MemoryDeviceTests.device(MemoryDeviceTests.memory(), requested: 70)
            } == [])
    }

    @Test(arguments: VirtioConformance<Pmem>.cases, [true, false])
    func `Persistent memory conforms`(
        _ rule: VirtioConformance<Pmem>.Case, _ isReadOnly: Bool
    ) throws {
        let guest = try PmemGuest(isReadOnly: isReadOnly)
        #expect(try rule.check { try Pmem(guest.memory.persistent[0]) } == [])
    }

    @Test(
        arguments: VirtioConformance<Block>.cases, BlockConfiguration.Engine.both)
    func `Disks conform`(
        _ rule: VirtioConformance<Block>.Case, _ engine: BlockConfiguration.Engine
    ) throws {
        let file = try ScratchFile(byteCount: 1 << 20)
        let configuration = BlockGuest.configuration(engine, file)
        #expect(try rule.check { try Block(configuration) } == [])
    }
}

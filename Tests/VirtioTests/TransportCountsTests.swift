// SPDX-License-Identifier: Apache-2.0
import Support
import Testing

@testable import Virtio

@Suite struct TransportCountsTests {
    @Test(arguments: [0, 1])
    func `A broken ring is counted at the queue that was served`(_ index: Int) throws {
        let driver = try TestDriver(EchoDevice())
        driver.start()
        driver.rings[index].setAvailableIndex(100)
        driver.notify(index)
        #expect(driver.status.contains(.needsReset))
        let counts = driver.transport.counts
        for place in counts.brokenRings.indices {
            #expect(counts.brokenRings[place] == (place == index ? 1 : 0), "\(place)")
        }
    }

    /// The device has six bytes of configuration.
    @Test(
        arguments: [
            (0, 1, false), (0, 4, false), (4, 2, false), (2, 4, false), (4, 4, true), (6, 1, true),
            (0xf00 - 8, 8, true),
        ] as [(UInt64, Int, Bool)])
    func `Accesses that go past the configuration's end are counted`(
        _ offset: UInt64, _ size: Int, _ isWrong: Bool
    ) throws {
        let driver = try TestDriver(EchoDevice())
        driver.start()
        let place = MMIORegister.configuration + offset
        _ = driver.transport.read(offset: place, size: size)
        #expect(driver.transport.counts.wrongConfigurations == (isWrong ? 1 : 0))
        driver.transport.write(offset: place, size: size, value: 1)
        #expect(driver.transport.counts.wrongConfigurations == (isWrong ? 2 : 0))
    }
}

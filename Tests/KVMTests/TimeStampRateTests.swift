// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Testing

@testable import KVM

/// The rate that a guest knows, on hosts of another one. No KVM is needed.
@Suite struct TimeStampRateTests {
    private func follow(
        _ rate: inout TimeStampRate, _ wanted: UInt32
    ) throws -> [UInt32] {
        var set: [UInt32] = []
        try rate.follow(wanted) { (kilohertz: UInt32) throws(KVMError) in set.append(kilohertz) }
        return set
    }

    /// What is saved next says the guest's rate, and what is restored next leaves it.
    @Test func `A rate that was set is the processor's from then on`() throws {
        var rate = TimeStampRate(kilohertz: 2_000_000, isScalable: true)
        #expect(try follow(&rate, 3_000_000) == [3_000_000])
        #expect(rate.kilohertz == 3_000_000)
        #expect(try follow(&rate, 3_000_000) == [])
        #expect(try follow(&rate, 2_000_000) == [2_000_000])
        #expect(rate.kilohertz == 2_000_000)
    }

    @Test(arguments: [0, 1_999_501, 2_000_000, 2_000_500] as [UInt32])
    func `A counter that cannot be scaled stays where it is near enough`(
        _ wanted: UInt32
    ) throws {
        var rate = TimeStampRate(kilohertz: 2_000_000, isScalable: false)
        #expect(try follow(&rate, wanted) == [])
        #expect(rate.kilohertz == 2_000_000)
    }

    @Test(arguments: [1, 1_999_000, 2_001_000, .max] as [UInt32])
    func `A counter that cannot be scaled is refused where it is too far off`(
        _ wanted: UInt32
    ) {
        var rate = TimeStampRate(kilohertz: 2_000_000, isScalable: false)
        #expect {
            try follow(&rate, wanted)
        } throws: { error in
            "\(error)".contains("\(wanted) kHz, where the host's runs at 2000000 kHz")
        }
        #expect(rate.kilohertz == 2_000_000)
    }

    @Test func `Where the kernel does not say the rate nothing is set`() throws {
        var rate = TimeStampRate(kilohertz: 0, isScalable: true)
        #expect(try follow(&rate, 2_000_000) == [])
        #expect(rate.kilohertz == 0)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// What every virtio device must do behind our transport, whatever it is.
///
/// A case answers what is wrong, or nothing. Each test target runs all cases for each device:
///
///     @Test(arguments: VirtioConformance<Entropy>.cases)
///     func `Entropy conforms`(_ rule: VirtioConformance<Entropy>.Case) throws {
///         #expect(try rule.check { Entropy() } == [])
///     }
package enum VirtioConformance<Device: VirtioDevice & ~Copyable> {
    package typealias Make = () throws -> Device
    typealias Driver = TestDriver<Device>

    /// One rule.
    package struct Case: Sendable, CustomStringConvertible {
        package let description: String
        let body: @Sendable (_ make: Make, _ wrong: inout Findings) throws -> Void

        init(
            _ description: String,
            _ body: @escaping @Sendable (_ make: Make, _ wrong: inout Findings) throws -> Void
        ) {
            self.description = description
            self.body = body
        }

        /// What is wrong with the devices that `make` gives.
        package func check(_ make: Make) throws -> [String] {
            var findings = Findings()
            try body(make, &findings)
            return findings.list
        }
    }

    /// What was found to be wrong.
    struct Findings {
        var list: [String] = []

        mutating func expect(_ condition: Bool, _ text: @autoclosure () -> String) {
            if !condition { list.append(text()) }
        }

        mutating func equal<Value: Equatable>(_ is: Value, _ should: Value, _ what: String) {
            expect(`is` == should, "\(what) is \(`is`), should be \(should)")
        }
    }

    /// How far a driver has come; each point includes those before it.
    enum Point: Int, CaseIterable, Sendable {
        case fresh, acknowledged, driver, featuresChosen, featuresOK, queueHalfSet, queuesSet, live,
            failed, broken
    }

    static func bring(_ driver: Driver, from start: Point = .fresh, to point: Point) {
        // After either of the last two comes nothing.
        let last = min(point.rawValue, Point.live.rawValue)
        for step in Point.allCases
        where step.rawValue > start.rawValue && (step.rawValue <= last || step == point) {
            take(step, driver)
        }
    }

    private static func take(_ step: Point, _ driver: Driver) {
        switch step {
        case .fresh: break
        case .acknowledged: driver.step(.acknowledge)
        case .driver: driver.step(.driver)
        case .featuresChosen: driver.accept(driver.offered)
        case .featuresOK: driver.step(.featuresOK)
        case .queueHalfSet:
            driver.write(MMIORegister.queueSelector, UInt32(Device.queueSizes.count - 1))
            driver.write(MMIORegister.queueSize, 2)
            driver.write(MMIORegister.queueDescriptorsLow, 0x1_0000)
        case .queuesSet: driver.setUpQueues()
        case .live: driver.step(.driverOK)
        case .failed: driver.step(.failed)
        case .broken: breakRing(driver)
        }
    }

    /// Makes the device meet a ring that no driver may make.
    static func breakRing(_ driver: Driver) {
        for index in driver.rings.indices { driver.rings[index].publish(head: .max) }
        for index in driver.rings.indices { driver.notify(index) }
        // A device may look at a queue only when it has something to say; this one it sees.
        if !driver.status.contains(.needsReset) { driver.settle() }
    }

    static var started: DeviceStatus { [.acknowledge, .driver, .featuresOK, .driverOK] }

    /// All rules.
    package static var cases: [Case] {
        registerCases + statusCases + queueCases + stateCases + requestCases
            + hostileCases
    }
}

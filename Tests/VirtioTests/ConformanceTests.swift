// SPDX-License-Identifier: Apache-2.0
import Support
import Testing

@testable import Virtio

@Suite struct ConformanceTests {
    @Test(arguments: VirtioConformance<EchoDevice>.cases)
    func `The smallest device conforms`(_ rule: VirtioConformance<EchoDevice>.Case) throws {
        #expect(try rule.check { EchoDevice() } == [])
    }
}

// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Machine

@Suite struct OutcomeTests {
    @Test func `Each processor that cannot go on is counted, and the first says why`() {
        let outcome = Outcome()
        #expect(outcome.failedProcessors == 0)
        outcome.fail(.failed("first"))
        outcome.fail(.failed("second"))
        outcome.end(.powerOff)
        #expect(outcome.failedProcessors == 2)
        #expect(outcome.result == .failed("first"))
    }

    @Test func `A machine that ends in order has no processor that failed`() {
        let outcome = Outcome()
        outcome.end(.shutdown("triple fault on processor 0"))
        #expect(outcome.failedProcessors == 0)
    }
}

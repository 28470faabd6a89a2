// SPDX-License-Identifier: Apache-2.0
extension Processor {
    @inline(never) func loadSlow(_ address: UInt64, byteCount: Int) -> UInt64? { nil }
    @inline(never) func loadForUpdate(_ address: UInt64, byteCount: Int) -> UInt64? { nil }
    @inline(never) func storeSlow(_ address: UInt64, byteCount: Int, _ value: UInt64) -> Bool { false }
    @inline(never) func probeWrite(_ address: UInt64, byteCount: Int) -> Bool { false }
    @inline(never) func updateLockedSlow(_ address: UInt64, byteCount: Int, _ body: (UInt64) -> UInt64) -> Bool { false }
}

// SPDX-License-Identifier: Apache-2.0

/// Something that answers at a range of ports or of guest-physical addresses.
///
/// Called on vCPU threads; several may call at once. Offsets and values are the guest's choice.
package protocol BusDevice: AnyObject, Sendable {
    /// Reads `size` bytes (1, 2, 4 or 8) at `offset` from the range's start, zero-extended.
    func read(offset: UInt64, size: Int) -> UInt64
    /// Writes the low `size` bytes (1, 2, 4 or 8) of `value` at `offset` from the range's start.
    func write(offset: UInt64, size: Int, value: UInt64)
}

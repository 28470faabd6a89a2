// SPDX-License-Identifier: Apache-2.0
import Linux

/// The sizes that rings are made of. Each is a compare and a move where it is used: a frame takes
/// a dozen of them.
extension GuestMemory {
    /// Two bytes, or nil if they are not all RAM.
    @inline(__always)
    package func load16(at address: GuestAddress) -> UInt16? {
        guard let pointer = unsafe ringPointer(address, 2) else { return nil }
        return unsafe pointer.loadUnaligned(as: UInt16.self)
    }

    /// Sixteen bytes, or nil if they are not all RAM. Each half is read once.
    @inline(__always)
    package func load128(at address: GuestAddress) -> SIMD2<UInt64>? {
        guard let pointer = unsafe ringPointer(address, 16) else { return nil }
        let low = unsafe pointer.loadUnaligned(as: UInt64.self)
        let high = unsafe pointer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        return SIMD2(low, high)
    }

    /// Nothing is done where there is no RAM.
    package func store16(_ value: UInt16, at address: GuestAddress) {
        guard let pointer = unsafe ringPointer(address, 2) else { return }
        unsafe pointer.storeBytes(of: value, as: UInt16.self)
        didWrite(address, 2)
    }

    /// Nothing is done where there is no RAM.
    @inline(__always)
    package func store64(_ value: UInt64, at address: GuestAddress) {
        guard let pointer = unsafe ringPointer(address, 8) else { return }
        unsafe pointer.storeBytes(of: value, as: UInt64.self)
        didWrite(address, 8)
    }

    @inline(__always)
    private func ringPointer(
        _ address: GuestAddress, _ count: UInt64
    ) -> UnsafeMutableRawPointer? {
        guard let host = hostAddress(of: address, count: count) else { return nil }
        return unsafe UnsafeMutableRawPointer(bitPattern: host)
    }
}

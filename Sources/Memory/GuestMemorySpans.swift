// SPDX-License-Identifier: Apache-2.0

extension GuestMemory {
    /// Copies bytes in.
    package func write(_ bytes: Span<UInt8>, at address: GuestAddress) throws(MemoryError) {
        // Bytes have no padding: all of them are initialized.
        try unsafe write(bytes.bytes, at: address)
    }
}

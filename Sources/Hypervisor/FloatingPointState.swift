// SPDX-License-Identifier: Apache-2.0

/// x87, SSE and what comes after them, as XSAVE lays them out in its standard form.
/// Intel SDM 1, 13.4.
package struct FloatingPointState: Hashable, Sendable {
    /// The 512 bytes of FXSAVE, the header of 64 bytes, and then the extended components, each at
    /// the offset that CPUID leaf 0xd names. At least 576 bytes and at most ``limit``.
    ///
    /// A component whose bit is clear in the header's first eight bytes is in its initial state,
    /// whatever its bytes say; those two of the first 512 bytes are always right.
    package var image: [UInt8]
    /// The only extended control register there is.
    package var xcr0: UInt64 = 1

    /// Bytes of an image with x87 and SSE.
    package static var minimum: Int { 576 }
    /// Most bytes of an image.
    package static var limit: Int { 16 << 10 }

    /// As after FNINIT and reset of MXCSR.
    package init() {
        image = [UInt8](repeating: 0, count: Self.minimum)
        image[0] = 0x7f
        image[1] = 0x03
        image[24] = 0x80
        image[25] = 0x1f
        image[512] = 0x03
    }
}

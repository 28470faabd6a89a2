// SPDX-License-Identifier: Apache-2.0

/// What a processor has met and not yet delivered, between two instructions.
/// KVM API, KVM_GET_VCPU_EVENTS.
package struct PendingEvents: Hashable, Sendable {
    /// An exception on its way into the guest.
    package struct Exception: Hashable, Sendable {
        package var vector: UInt8
        /// For vectors that push one.
        package var errorCode: UInt32?
        /// What goes to CR2 or DR6 when it is delivered; nil: it is there already.
        package var payload: UInt64?
        /// Its delivery was begun and must be repeated; false: it has only been noticed.
        package var isInjected: Bool

        package init(
            vector: UInt8, errorCode: UInt32? = nil, payload: UInt64? = nil, isInjected: Bool = true
        ) {
            self.vector = vector
            self.errorCode = errorCode
            self.payload = payload
            self.isInjected = isInjected
        }
    }

    /// An interrupt taken from the interrupt controllers and not yet delivered.
    package struct Interrupt: Hashable, Sendable {
        package var vector: UInt8
        /// INT n, not a device.
        package var isSoftware: Bool

        package init(vector: UInt8, isSoftware: Bool = false) {
            self.vector = vector
            self.isSoftware = isSoftware
        }
    }

    /// The instruction whose shadow keeps interrupts out of the next one.
    package struct Shadow: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static var movSS: Self { Self(rawValue: 1) }
        package static var sti: Self { Self(rawValue: 2) }
    }

    /// Non-maskable interrupts: one being delivered, one more waiting, and whether IRET is awaited.
    package struct NonMaskable: Hashable, Sendable {
        package var isInjected = false
        package var isPending = false
        package var isMasked = false
        package init() {}
    }

    /// System management mode.
    package struct SystemManagement: Hashable, Sendable {
        package var isInside = false
        package var isPending = false
        package var isInsideNMI = false
        /// An INIT that waits for the mode's end.
        package var hasLatchedINIT = false
        package init() {}
    }

    package var exception: Exception?
    package var interrupt: Interrupt?
    package var shadow: Shadow = []
    package var nonMaskable = NonMaskable()
    package var systemManagement = SystemManagement()
    /// The vector of a start-up message that is to be acted on, its page number.
    package var startupVector: UInt8 = 0
    package var isTripleFault = false

    package init() {}
}

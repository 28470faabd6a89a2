// SPDX-License-Identifier: Apache-2.0

/// An I/O APIC with 24 pins. Intel 82093AA data sheet; KVM API, KVM_GET_IRQCHIP.
package struct IOAPICState: Hashable, Sendable {
    package var base: UInt64 = 0xfec0_0000
    /// 0 to 15.
    package var id: UInt8 = 0
    /// The register that the window shows.
    package var selector: UInt8 = 0
    /// Bit n: pin n is asserted.
    package var lines: UInt32 = 0
    /// Redirection entries, always 24.
    package var entries = [UInt64](repeating: 0x1_0000, count: 24)
    package init() {}
}

/// One 8259A. Intel 8259A data sheet; KVM API, KVM_GET_IRQCHIP.
package struct PICState: Hashable, Sendable {
    package var requested: UInt8 = 0
    package var inService: UInt8 = 0
    package var mask: UInt8 = 0
    /// Inputs as last seen, from which edges are told.
    package var lines: UInt8 = 0
    /// The edge/level control register: bit n makes input n a level.
    package var levels: UInt8 = 0
    package var vectorBase: UInt8 = 0
    /// The input of highest priority, 0 to 7.
    package var highest: UInt8 = 0
    /// Which command word the data port expects: 2 to 4; 0 when initialized.
    package var expectedWord: UInt8 = 0
    package var needsFourthWord = false
    package var showsInService = false
    package var isPolled = false
    package var hasSpecialMask = false
    package var endsAutomatically = false
    package var rotatesOnAutomaticEnd = false
    package var isSpeciallyNested = false
    package init() {}
}

/// One counter of an 8254. Intel 8254 data sheet; KVM API, KVM_GET_PIT2.
package struct PITChannelState: Hashable, Sendable {
    /// How far a count of two bytes has come over the port.
    package enum Step: UInt8, Hashable, Sendable {
        /// Nothing is under way (reads: nothing is latched).
        case none
        /// The low byte alone, the high byte alone.
        case low, high
        /// Two bytes: the low one is next, the high one is next.
        case firstOfTwo, secondOfTwo
    }

    /// The programmed count, 1 to 65,536; 0: none yet.
    package var count: UInt32 = 0
    package var latchedCount: UInt16 = 0
    package var latchedStep = Step.none
    /// Nil: not latched.
    package var latchedStatus: UInt8?
    package var readStep = Step.none
    package var writeStep = Step.none
    /// The low byte of a count whose high byte is still to come.
    package var lowByte: UInt8 = 0
    /// Bits 4 and 5 of the control word.
    package var access: UInt8 = 0
    /// 0 to 5.
    package var mode: UInt8 = 0
    package var isBCD = false
    package var gate = false
    /// Nanoseconds since counting began.
    package var elapsed: UInt64 = 0
    package init() {}
}

/// The PC's interval timer with its port 0x61.
package struct PITState: Hashable, Sendable {
    /// Always three.
    package var channels = [PITChannelState](repeating: PITChannelState(), count: 3)
    package var speakerIsOn = false
    package init() {}
}

/// The paravirtual clock. KVM API, KVM_GET_CLOCK.
package struct ClockState: Hashable, Sendable {
    /// Nanoseconds of the guest's monotonic time.
    package var nanoseconds: UInt64 = 0
    /// The host's time since 1970 in nanoseconds at that moment, if the engine knows it.
    package var realtime: UInt64?
    package init() {}
}

/// Everything architectural about a machine besides its processors and memory, engine-neutral.
package struct MachineState: Hashable, Sendable {
    /// Of this layout.
    package static var version: UInt16 { 1 }

    /// What the guest's processors were.
    package var profile: CPUProfile
    package var ioAPIC = IOAPICState()
    package var primaryPIC = PICState()
    package var secondaryPIC = PICState()
    package var pit = PITState()
    package var clock = ClockState()

    package init(profile: CPUProfile) { self.profile = profile }
}

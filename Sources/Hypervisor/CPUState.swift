// SPDX-License-Identifier: Apache-2.0

/// Whether a processor runs, waits or has not been started. KVM API, KVM_GET_MP_STATE.
package enum ActivityState: UInt8, Hashable, Sendable {
    case runnable, waitingForStartup, initReceived, halted, startupReceived
}

/// The time stamp counter at the moment of saving.
package struct TimeStamp: Hashable, Sendable {
    package var value: UInt64
    /// Thousands of ticks a second.
    package var kilohertz: UInt32

    package init(value: UInt64, kilohertz: UInt32) {
        self.value = value
        self.kilohertz = kilohertz
    }
}

/// Everything architectural about one processor, engine-neutral.
///
/// A state is given back in the order: the machine's (``MachineState``), then each processor's.
package struct CPUState: Hashable, Sendable {
    /// Of this layout.
    package static var version: UInt16 { 1 }

    package var general = GeneralRegisters()
    package var system = SystemRegisters()
    package var floatingPoint = FloatingPointState()
    /// DR0 to DR3, DR6, DR7.
    package var debug: [UInt64] = [0, 0, 0, 0, 0xffff_0ff0, 0x400]
    /// Model-specific registers by number: those that the engine keeps and no other field holds
    /// (not EFER, not IA32_APIC_BASE, not the bases of FS and GS, not the time stamp counter).
    /// What is missing stays as it is.
    package var msrs: [UInt32: UInt64] = [:]
    package var events = PendingEvents()
    package var activity = ActivityState.runnable
    /// Nil: stays as it is.
    package var localAPIC: LocalAPICState?
    /// Nil: stays as it is.
    package var timeStamp: TimeStamp?
    package init() {}
}

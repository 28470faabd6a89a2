// SPDX-License-Identifier: Apache-2.0

/// What the system instructions keep beside the registers that ``ProcessorState`` names.
struct SystemState {
    /// An NMI is being handled: no other is delivered before the next IRET. Intel SDM 3, 6.7.1.
    var nmiBlocked = false
    /// DE_CFG (C001_1029): bit 1 says that LFENCE is serializing.
    var decodeConfiguration: UInt64 = 2
    /// SYSCFG (C001_0010).
    var systemConfiguration: UInt64 = 0
    /// TOP_MEM and TOP_MEM2 (C001_001A, C001_001D).
    var topOfMemory: UInt64 = 0
    var topOfMemory2: UInt64 = 0
}

// SPDX-License-Identifier: Apache-2.0

/// What a monitor says of its machine when that has ended: one line of JSON.
///
/// Times are nanoseconds on the host's monotonic clock.
package struct MachineReport: Hashable, Sendable {
    /// Longest line in bytes.
    package static var byteLimit: Int { 16 << 10 }

    package enum End: String, CaseIterable, JSONReadable, Sendable {
        case powerOff = "power_off"
        case reset
        case debugExit = "debug_exit"
        /// A triple fault.
        case shutdown
        case failed
        /// Somebody stopped the monitor.
        case stopped
    }

    package var end: End
    /// The value of ``End/debugExit``.
    package var value: UInt32?
    /// Says more about ``End/shutdown`` and ``End/failed``.
    package var message: String?

    package var created: UInt64?
    package var firstInstruction: UInt64?
    /// When the kernel handed over to the guest's first program.
    package var userEntry: UInt64?
    /// Guest instructions from kernel entry to that.
    package var userEntryInstructions: UInt64?
    /// When the guest's first program wrote to the boot timer.
    package var bootTimer: UInt64?
    /// Processor time of the monitor since it was made, to that moment, in nanoseconds.
    package var bootTimerProcessorTime: UInt64?
    /// Guest instructions from kernel entry to the boot timer.
    package var bootTimerInstructions: UInt64?
    package var instructions: UInt64?
    package var exits: UInt64?
    /// Who executed the guest's instructions, and why, in words.
    package var engine: String?
    /// Instructions that KVM left to the software processor: opcodes and how often.
    package var completed: String?
    /// What of the host the monitor has left behind, or why not, in words.
    package var seclusion: String?

    package init(end: End) { self.end = end }

    package init(_ bytes: [UInt8]) throws(JSONError) {
        let json = try JSONParser.parse(bytes, limit: Self.byteLimit)
        let fields = try JSONFields(
            json,
            [
                "end", "value", "message", "vm_created_ns", "first_instruction_ns",
                "user_entry_ns", "user_entry_instructions", "boot_timer_ns",
                "boot_timer_cpu_ns", "boot_timer_instructions", "instructions", "exits", "engine",
                "completed", "seclusion",
            ])
        end = try fields.require("end")
        value = try fields.optional("value")
        message = try fields.optional("message") { json throws(JSONError) in
            JSONError.printable(try json.asString(), limit: 1024)
        }
        created = try fields.optional("vm_created_ns")
        firstInstruction = try fields.optional("first_instruction_ns")
        userEntry = try fields.optional("user_entry_ns")
        userEntryInstructions = try fields.optional("user_entry_instructions")
        bootTimer = try fields.optional("boot_timer_ns")
        bootTimerProcessorTime = try fields.optional("boot_timer_cpu_ns")
        bootTimerInstructions = try fields.optional("boot_timer_instructions")
        instructions = try fields.optional("instructions")
        exits = try fields.optional("exits")
        engine = try fields.optional("engine") { json throws(JSONError) in
            JSONError.printable(try json.asString(), limit: 1024)
        }
        completed = try fields.optional("completed") { json throws(JSONError) in
            JSONError.printable(try json.asString(), limit: 4096)
        }
        seclusion = try fields.optional("seclusion") { json throws(JSONError) in
            JSONError.printable(try json.asString(), limit: 1024)
        }
    }

    package var json: JSON {
        .object([
            ("end", .string(end.rawValue)),
            ("value", value.map { .integer($0) }),
            ("message", message.map(JSON.string)),
            ("vm_created_ns", created.map { .integer($0) }),
            ("first_instruction_ns", firstInstruction.map { .integer($0) }),
            ("user_entry_ns", userEntry.map { .integer($0) }),
            ("user_entry_instructions", userEntryInstructions.map { .integer($0) }),
            ("boot_timer_ns", bootTimer.map { .integer($0) }),
            ("boot_timer_cpu_ns", bootTimerProcessorTime.map { .integer($0) }),
            ("boot_timer_instructions", bootTimerInstructions.map { .integer($0) }),
            ("instructions", instructions.map { .integer($0) }),
            ("exits", exits.map { .integer($0) }),
            ("engine", engine.map(JSON.string)),
            ("completed", completed.map(JSON.string)),
            ("seclusion", seclusion.map(JSON.string)),
        ])
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What became of an instruction that the engine itself could not execute.
package enum EmulationOutcome: Hashable, Sendable {
    /// It is done. If it faulted, the state is the one before it but for CR2 or DR6, and
    /// ``CPUState/events`` hold the exception.
    case completed(CPUState)
    /// The fallback cannot do it either; the text says why.
    case refused(String)
}

/// Somebody who completes single instructions for an engine that has given up on them.
package protocol EmulationFallback: AnyObject, Sendable {
    /// Executes the one instruction at `state`'s RIP on guest memory and devices.
    ///
    /// `state` has all but ``CPUState/localAPIC``, ``CPUState/timeStamp`` and most of
    /// ``CPUState/msrs`` (STAR, LSTAR and SYSCALL's mask of flags are there), and only changes to
    /// other fields than these three are taken over. An exception in it is what the engine has made
    /// of its failure, not the guest's: the outcome's is the instruction's own, or none. Called on
    /// the processor's thread.
    func complete(_ state: CPUState, processor index: Int) -> EmulationOutcome
}

// SPDX-License-Identifier: Apache-2.0

/// Why an engine did not do what was asked of it.
package enum EngineError: Error, Hashable, Sendable {
    /// The host refused a step: which, and its reason.
    case refused(String, reason: String)
    /// A state that the engine cannot give its processors; the text names the part.
    case state(String)
    /// A CPU template changes what the processor does not have; the text names it.
    case template(String)
    /// Something that this engine never does.
    case unsupported(String)
}

extension EngineError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .refused(let step, let reason): "\(step): \(reason)"
        case .state(let part): "the state cannot be restored: \(part)"
        case .template(let what): "the CPU template changes \(what), which this processor lacks"
        case .unsupported(let what): "this engine cannot \(what)"
        }
    }
}

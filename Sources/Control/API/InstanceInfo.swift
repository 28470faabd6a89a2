// SPDX-License-Identifier: Apache-2.0

/// What `GET /` says of a machine.
package struct InstanceInfo: Hashable, Sendable {
    package enum State: String, Sendable {
        case notStarted = "Not started"
        case running = "Running"
        case paused = "Paused"
    }

    /// Name of the machine, as `--id` gave it.
    package var id: String
    package var state = State.notStarted
    package var version: String
    package var application: String

    package init(id: String, version: String, application: String) {
        self.id = id
        self.version = version
        self.application = application
    }

    package var json: JSON {
        .object([
            ("id", .string(id)), ("state", .string(state.rawValue)),
            ("vmm_version", .string(version)), ("app_name", .string(application)),
        ])
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Where a snapshot is to be written: the body of `PUT /snapshot/create`.
package struct SnapshotCreation: APIObject {
    package enum Kind: String, CaseIterable, JSONReadable, Sendable {
        case full = "Full"
        case diff = "Diff"
    }

    package static var fields: [String] { ["mem_file_path", "snapshot_path", "snapshot_type"] }

    package var memoryPath: String
    package var statePath: String
    package var kind: Kind

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        memoryPath = try fields.require("mem_file_path", as: JSON.asPath)
        statePath = try fields.require("snapshot_path", as: JSON.asPath)
        kind = try fields.optional("snapshot_type") ?? .full
    }
}

/// Where guest memory comes from when a snapshot is loaded.
package struct MemoryBackend: APIObject {
    package enum Kind: String, CaseIterable, JSONReadable, Sendable {
        case file = "File"
        /// A process that serves page faults, at a Unix socket.
        case userfault = "Uffd"
    }

    package static var fields: [String] { ["backend_type", "backend_path"] }

    package var kind: Kind
    package var path: String

    package init(kind: Kind, path: String) {
        self.kind = kind
        self.path = path
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        kind = try fields.require("backend_type")
        path = try fields.require("backend_path", as: JSON.asPath)
    }
}

/// Another TAP device for an interface of a snapshot.
package struct NetworkOverride: APIObject {
    package static var fields: [String] { ["iface_id", "host_dev_name"] }

    package var id: String
    package var hostDevice: String

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        id = try fields.require("iface_id", as: JSON.asIdentifier)
        hostDevice = try fields.require("host_dev_name", as: JSON.asPath)
    }
}

/// Another socket for the vsock device of a snapshot.
package struct VsockOverride: APIObject {
    package static var fields: [String] { ["uds_path"] }

    package var path: String

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        path = try fields.require("uds_path", as: JSON.asPath)
    }
}

/// What is to be loaded, and how: the body of `PUT /snapshot/load`.
package struct SnapshotLoad: APIObject {
    package enum HugePages: String, CaseIterable, JSONReadable, Sendable {
        case snapshot = "Snapshot"
        case none = "None"
        case transparent = "Transparent"
        case twoMiB = "2M"
    }

    package static var fields: [String] {
        [
            "snapshot_path", "mem_backend", "mem_file_path", "enable_diff_snapshots",
            "track_dirty_pages", "resume_vm", "network_overrides", "vsock_override",
            "clock_realtime", "huge_pages",
        ]
    }

    package var statePath: String
    package var memory: MemoryBackend
    package var tracksDirtyPages: Bool
    package var resumes: Bool
    package var networkOverrides: [NetworkOverride]
    package var vsockOverride: VsockOverride?
    package var advancesClock: Bool
    package var hugePages: HugePages
    /// Fields were given that are deprecated.
    package var isDeprecated = false

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        statePath = try fields.require("snapshot_path", as: JSON.asPath)
        let backend: MemoryBackend? = try fields.optional("mem_backend")
        let path = try fields.optional("mem_file_path", as: JSON.asPath)
        switch (backend, path) {
        case (let backend?, nil): memory = backend
        case (nil, let path?): memory = MemoryBackend(kind: .file, path: path)
        case (nil, nil):
            throw json.invalid("missing field: either `mem_backend` or `mem_file_path` is required")
        default:
            throw json.invalid(
                "too many fields: either `mem_backend` or `mem_file_path` exclusively is required")
        }
        let tracksDiff = try fields.flag("enable_diff_snapshots")
        tracksDirtyPages = try fields.flag("track_dirty_pages") || tracksDiff
        resumes = try fields.flag("resume_vm")
        networkOverrides =
            try fields.optional("network_overrides") { json throws(JSONError) in
                try json.asArray(limit: VMConfig.deviceLimit) { json throws(JSONError) in
                    try NetworkOverride(json: json)
                }
            } ?? []
        vsockOverride = try fields.optional("vsock_override")
        advancesClock = try fields.flag("clock_realtime")
        hugePages = try fields.optional("huge_pages") ?? .snapshot
        isDeprecated = path != nil || tracksDiff
    }
}

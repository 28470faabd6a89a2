// SPDX-License-Identifier: Apache-2.0

/// A block device: Firecracker's `drives`.
package struct DriveConfig: APIObject {
    /// Whether the guest's flushes reach the host's disk.
    package enum CacheType: String, CaseIterable, JSONReadable, Sendable {
        case lax = "Unsafe"
        case writeback = "Writeback"
    }

    /// How the host reads and writes the file.
    package enum IOEngine: String, CaseIterable, JSONReadable, Sendable {
        case serial = "Sync"
        case concurrent = "Async"
    }

    package static var fields: [String] {
        [
            "drive_id", "partuuid", "is_root_device", "cache_type", "is_read_only",
            "path_on_host", "rate_limiter", "io_engine", "socket", "discard",
        ]
    }

    package var id: String
    /// The partition that holds the root file system.
    package var partUUID: String?
    package var isRootDevice: Bool
    package var cacheType = CacheType.lax
    package var isReadOnly = false
    package var path: String
    package var rateLimiter: RateLimiterConfig?
    package var ioEngine = IOEngine.serial
    /// The guest may give sectors back, which become holes in the file.
    package var discards = true

    package init(id: String, path: String, isRootDevice: Bool = false) {
        self.id = id
        self.path = path
        self.isRootDevice = isRootDevice
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        id = try fields.require("drive_id", as: JSON.asIdentifier)
        partUUID = try fields.optional("partuuid", as: JSON.asText)
        isRootDevice = try fields.require("is_root_device")
        cacheType = try fields.optional("cache_type") ?? .lax
        isReadOnly = try fields.flag("is_read_only")
        rateLimiter = try fields.optional("rate_limiter")
        ioEngine = try fields.optional("io_engine") ?? .serial
        discards = try fields.optional("discard") ?? true
        _ = try fields.optional("socket") { json throws(JSONError) in
            _ = try json.asPath()
            throw json.invalid("vhost-user block devices are not supported; give `path_on_host`")
        }
        path = try fields.require("path_on_host", as: JSON.asPath)
    }

    package var json: JSON {
        .object([
            ("drive_id", .string(id)), ("partuuid", .text(partUUID)),
            ("is_root_device", .bool(isRootDevice)), ("cache_type", .string(cacheType.rawValue)),
            ("is_read_only", .bool(isReadOnly)), ("path_on_host", .string(path)),
            ("rate_limiter", rateLimiter?.json ?? .null),
            ("io_engine", .string(ioEngine.rawValue)), ("socket", .null),
            ("discard", .bool(discards)),
        ])
    }
}

/// A change to a block device of a running machine.
package struct DriveUpdate: APIObject {
    package static var fields: [String] { ["drive_id", "path_on_host", "rate_limiter"] }

    package var id: String
    package var path: String?
    package var rateLimiter: RateLimiterConfig?

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        id = try fields.require("drive_id", as: JSON.asIdentifier)
        path = try fields.optional("path_on_host", as: JSON.asPath)
        rateLimiter = try fields.optional("rate_limiter")
    }
}

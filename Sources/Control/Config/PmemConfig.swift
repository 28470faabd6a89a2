// SPDX-License-Identifier: Apache-2.0

/// A file as persistent memory: Firecracker's `pmem`.
package struct PmemConfig: APIObject {
    package static var fields: [String] {
        ["id", "path_on_host", "root_device", "read_only", "rate_limiter"]
    }

    package var id: String
    package var path: String
    package var isRootDevice = false
    package var isReadOnly = false
    package var rateLimiter: RateLimiterConfig?

    package init(id: String, path: String) {
        self.id = id
        self.path = path
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        id = try fields.require("id", as: JSON.asIdentifier)
        path = try fields.require("path_on_host", as: JSON.asPath)
        isRootDevice = try fields.flag("root_device")
        isReadOnly = try fields.flag("read_only")
        rateLimiter = try fields.optional("rate_limiter")
    }

    package var json: JSON {
        .object([
            ("id", .string(id)), ("path_on_host", .string(path)),
            ("root_device", .bool(isRootDevice)), ("read_only", .bool(isReadOnly)),
            ("rate_limiter", rateLimiter?.json ?? .null),
        ])
    }
}

/// A change to a persistent memory of a running machine.
package struct PmemUpdate: APIObject {
    package static var fields: [String] { ["id", "rate_limiter"] }

    package var id: String
    package var rateLimiter: RateLimiterConfig?

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        id = try fields.require("id", as: JSON.asIdentifier)
        rateLimiter = try fields.optional("rate_limiter")
    }
}

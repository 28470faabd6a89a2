// SPDX-License-Identifier: Apache-2.0

/// A socket between host and guest: Firecracker's `vsock`.
package struct VsockConfig: APIObject {
    // `vsock_id` has no meaning any more; old clients still send it.
    package static var fields: [String] { ["guest_cid", "uds_path", "vsock_id"] }

    /// The guest's context identifier; 0, 1, 2 and the highest are taken. VIRTIO 1.2, 5.10.4.
    package static var contextRange: ClosedRange<UInt32> { 3...0xffff_fffe }
    /// Longest name of a socket, in bytes, so that `_` and a port number still fit behind it.
    package static var pathLimit: Int { 96 }

    package var guestCID: UInt32
    /// The Unix socket on the host; a name that begins with `@` is abstract.
    package var path: String

    package init(guestCID: UInt32, path: String) {
        self.guestCID = guestCID
        self.path = path
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        guestCID = try fields.require("guest_cid") { json throws(JSONError) in
            try json.asInteger(in: Self.contextRange)
        }
        path = try fields.require("uds_path") { json throws(JSONError) in
            let path = try json.asPath()
            guard path.utf8.count <= Self.pathLimit, path != "@" else {
                throw json.invalid(
                    "the socket's path must have 1 to \(Self.pathLimit) bytes, not"
                        + " \(path.utf8.count)")
            }
            return path
        }
        _ = try fields.optional("vsock_id", as: JSON.asString)
    }

    package var json: JSON {
        .object([("guest_cid", .integer(guestCID)), ("uds_path", .string(path))])
    }
}

/// Random bytes for the guest: Firecracker's `entropy`.
package struct EntropyConfig: APIObject {
    package static var fields: [String] { ["rate_limiter"] }

    package var rateLimiter: RateLimiterConfig?

    package init() {}

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        rateLimiter = try fields.optional("rate_limiter")
    }

    package var json: JSON { .object([("rate_limiter", rateLimiter?.json ?? .null)]) }
}

/// The serial console: Firecracker's `serial`.
package struct SerialConfig: APIObject {
    package static var fields: [String] { ["serial_out_path", "rate_limiter"] }

    /// File or named pipe that the console's output goes to; nil: standard output.
    package var outputPath: String?
    /// Limit of output, in bytes.
    package var rateLimiter: TokenBucketConfig?

    package init(outputPath: String? = nil) { self.outputPath = outputPath }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        outputPath = try fields.optional("serial_out_path", as: JSON.asPath)
        rateLimiter = try fields.optional("rate_limiter")
    }

    package var json: JSON {
        .object([
            ("serial_out_path", .text(outputPath)), ("rate_limiter", rateLimiter?.json ?? .null),
        ])
    }
}

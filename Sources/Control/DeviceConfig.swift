// SPDX-License-Identifier: Apache-2.0

/// A socket between host and guest: Firecracker's `vsock`.
package struct VsockConfig: Hashable, Sendable {
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
        // `vsock_id` has no meaning any more; old clients still send it.
        let fields = try JSONFields(json, ["guest_cid", "uds_path", "vsock_id"])
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
        _ = try fields.optional("vsock_id") { json throws(JSONError) in try json.asString() }
    }

    package var json: JSON {
        .object([("guest_cid", .integer(guestCID)), ("uds_path", .string(path))])
    }
}

/// Random bytes for the guest: Firecracker's `entropy`.
package struct EntropyConfig: Hashable, Sendable {
    package init() {}

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, ["rate_limiter"])
        try fields.refuseRateLimiter()
    }

    package var json: JSON { .object([]) }
}

/// The serial console: Firecracker's `serial`.
package struct SerialConfig: Hashable, Sendable {
    /// File or named pipe that the console's output goes to; nil: standard output.
    package var outputPath: String?

    package init(outputPath: String? = nil) { self.outputPath = outputPath }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, ["serial_out_path", "rate_limiter"])
        outputPath = try fields.optional("serial_out_path") { json throws(JSONError) in
            try json.asPath()
        }
        try fields.refuseRateLimiter()
    }

    package var json: JSON { .object([("serial_out_path", outputPath.map(JSON.string))]) }
}

extension JSONFields {
    /// A limit that is not kept is worse than none.
    func refuseRateLimiter() throws(JSONError) {
        _ = try optional("rate_limiter") { json throws(JSONError) in
            throw json.invalid("rate limiters are not supported")
        }
    }
}

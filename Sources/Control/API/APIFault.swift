// SPDX-License-Identifier: Apache-2.0

/// Why a request is refused; the text is Firecracker's where it has one.
package struct APIFault: Error, Hashable, Sendable {
    package let status: HTTPReply.Status
    package let message: String

    package init(_ message: String, status: HTTPReply.Status = .badRequest) {
        self.message = message
        self.status = status
    }

    package init(_ fault: ConfigFault) { self.init(fault.description) }

    package var reply: HTTPReply { .fault(status, message) }

    package static var afterStart: APIFault {
        APIFault("The requested operation is not supported after starting the microVM.")
    }
    package static var beforeStart: APIFault {
        APIFault("The requested operation is not supported before starting the microVM.")
    }
    package static var deviceNotFound: APIFault { APIFault("Device not found") }

    static func body(_ error: JSONError) -> APIFault {
        APIFault("An error occurred when deserializing the json body of a request: \(error).")
    }
    static func path(_ method: HTTPMethod, _ path: String) -> APIFault {
        let shown = JSONError.printable(path, limit: 256)
        return APIFault(
            "Invalid request method and/or path: \(JSONError.printable(method.name)) \(shown).")
    }
}

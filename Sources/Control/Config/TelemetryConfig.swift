// SPDX-License-Identifier: Apache-2.0

/// How much is logged; each level includes those before it.
package enum LogLevel: Int, Comparable, CaseIterable, Sendable {
    case off, error, warn, info, debug, trace

    package static func < (left: LogLevel, right: LogLevel) -> Bool {
        left.rawValue < right.rawValue
    }

    /// Reads Firecracker's names, in any case; `Warning` is `Warn`.
    package init?(_ text: String) {
        switch text.lowercased() {
        case "off": self = .off
        case "error": self = .error
        case "warn", "warning": self = .warn
        case "info": self = .info
        case "debug": self = .debug
        case "trace": self = .trace
        default: return nil
        }
    }

    /// As a log line shows it.
    package var name: String {
        switch self {
        case .off: "OFF"
        case .error: "ERROR"
        case .warn: "WARN"
        case .info: "INFO"
        case .debug: "DEBUG"
        case .trace: "TRACE"
        }
    }
}

/// Where log lines go and which: Firecracker's `logger`. What is nil stays as it was.
package struct LoggerConfig: APIObject {
    package static var fields: [String] {
        ["log_path", "level", "show_level", "show_log_origin", "module"]
    }

    /// A file or a named pipe.
    package var path: String?
    package var level: LogLevel?
    package var showsLevel: Bool?
    package var showsOrigin: Bool?
    /// Only lines of modules whose name begins so.
    package var module: String?

    package init() {}

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        path = try fields.optional("log_path", as: JSON.asPath)
        level = try fields.optional("level") { json throws(JSONError) in
            let text = try json.asString()
            guard let level = LogLevel(text) else {
                throw json.invalid(
                    "Invalid LevelFilter `\(JSONError.printable(text))`, expected one of `Off`,"
                        + " `Error`, `Warning`, `Info`, `Debug`, `Trace`")
            }
            return level
        }
        showsLevel = try fields.optional("show_level")
        showsOrigin = try fields.optional("show_log_origin")
        module = try fields.optional("module", as: JSON.asText)
    }

    package var json: JSON {
        .object([
            ("log_path", .text(path)), ("level", .text(level?.name)),
            ("show_level", showsLevel.map(JSON.bool) ?? .null),
            ("show_log_origin", showsOrigin.map(JSON.bool) ?? .null), ("module", .text(module)),
        ])
    }
}

/// Where metrics go: Firecracker's `metrics`.
package struct MetricsConfig: APIObject {
    package static var fields: [String] { ["metrics_path", "emit_id", "properties"] }

    /// Most properties, and most bytes of all of them.
    package static var propertyLimit: Int { 64 }

    /// A file or a named pipe.
    package var path: String
    /// Each line carries the machine's name.
    package var emitsID = false
    /// Names and values of the operator's, in each line.
    package var properties: [JSON.Member]?

    package init(path: String) { self.path = path }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        path = try fields.require("metrics_path", as: JSON.asPath)
        emitsID = try fields.flag("emit_id")
        properties = try fields.optional("properties") { json throws(JSONError) in
            guard case .object(let members) = json.value else {
                throw json.wrongType(expected: "a map of strings")
            }
            guard members.count <= Self.propertyLimit else {
                throw json.invalid("at most \(Self.propertyLimit) properties")
            }
            for member in members {
                do throws(JSONError) {
                    _ = try member.value.asString()
                } catch {
                    throw error.inside(JSONError.printable(member.name))
                }
            }
            return members
        }
    }

    package var json: JSON {
        .object([
            ("metrics_path", .string(path)), ("emit_id", .bool(emitsID)),
            ("properties", properties.map { JSON(.object($0)) } ?? .null),
        ])
    }
}

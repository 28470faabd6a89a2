// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Control

/// `docs/openapi.yaml` against the code: every path, every member, every bound.
@Suite struct OpenAPITests {
    static let document: JSON? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        guard
            let text = try? String(
                contentsOf: root.appending(path: "docs/openapi.yaml"), encoding: .utf8)
        else { return nil }
        return try? YAMLText.parse(text)
    }()

    static func members(_ json: JSON?) -> [JSON.Member] {
        guard case .object(let members) = json?.value else { return [] }
        return members
    }

    static func elements(_ json: JSON?) -> [JSON] {
        guard case .array(let elements) = json?.value else { return [] }
        return elements
    }

    static func text(_ json: JSON?) -> String? { json.flatMap { try? $0.asString() } }

    /// The schema itself, if `schema` only names it.
    static func resolved(_ schema: JSON) -> JSON {
        let name = text(schema["$ref"]) ?? text(elements(schema["allOf"]).first?["$ref"])
        guard let name = name?.split(separator: "/").last else { return schema }
        return document?["components"]?["schemas"]?[String(name)] ?? schema
    }

    /// The operation's entry in the document.
    static func entry(_ operation: APIOperation) -> JSON? {
        document?["paths"]?[operation.route.path]?[operation.route.method.name.lowercased()]
    }

    static func body(_ operation: APIOperation) -> JSON? {
        entry(operation)?["requestBody"]?["content"]?["application/json"]?["schema"]
            .map(resolved)
    }

    @Test func `The document has the code's operations and no others`() throws {
        let paths = Self.members(try #require(Self.document)["paths"])
        var documented: Set<String> = []
        for path in paths {
            for operation in Self.members(path.value) where operation.name != "parameters" {
                documented.insert("\(operation.name.uppercased()) \(path.name)")
                #expect(
                    (path.value["parameters"] != nil) == path.name.contains("{id}"),
                    "\(path.name)")
            }
        }
        let ours = APIOperation.allCases.map { "\($0.route.method.name) \($0.route.path)" }
        #expect(documented == Set(ours))
        #expect(ours.count == Set(ours).count)
    }

    @Test(arguments: APIOperation.allCases)
    func `An operation's body and answers are documented`(_ operation: APIOperation) throws {
        let entry = try #require(Self.entry(operation))
        #expect(Self.text(entry["operationId"]) == "\(operation)")
        let takesBody = operation.body != nil || [.putMMDS, .patchMMDS].contains(operation)
        #expect((entry["requestBody"] != nil) == takesBody)
        let answers = Set(Self.members(entry["responses"]).map(\.name))
        let succeeds = operation.route.method == .get ? "200" : "204"
        let limited: Set<String> = [.putMMDS, .patchMMDS].contains(operation) ? ["413"] : []
        #expect(answers == Set([succeeds, "400"]).union(limited))
        guard let type = operation.body else { return }
        let names = Self.members(Self.body(operation)?["properties"]).map(\.name)
        #expect(Set(names) == Set(type.fields))
    }

    @Test func `The configuration's document has the members of a configuration file`() throws {
        let schema = try #require(Self.document?["components"]?["schemas"]?["VMConfig"])
        #expect(
            Set(Self.members(schema["properties"]).map(\.name)) == Set(VMConfig.fields))
        #expect(
            Set(Self.members(Self.tellingConfig).map(\.name)) == Set(VMConfig.fields))
    }

    private static var tellingConfig: JSON {
        VMConfig(bootSource: BootSource(kernelPath: "k"), machine: MachineConfig()).json
    }

    // MARK: Bodies

    /// One value for each pattern of the document.
    static let fitting = [
        "^[^\\x00]+$": "/p", "^[^\\x00]*$": "t", "^[A-Za-z0-9_]+$": "a_1", "^!?[0-9]{1,9}$": "!1",
        "^(0x[0-9a-fA-F]{1,8}|0b[01]{1,32}|[0-9]{1,9})$": "0x1f", "^0b[01x]{1,32}$": "0bx01",
        "^0b[01x]{1,64}$": "0bx01", "^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$": "06:00:ac:10:00:02",
    ]

    /// A value that a schema allows, with all members; integers at the bound that is asked for.
    static func example(_ schema: JSON, highest: Bool) throws -> JSON {
        let schema = resolved(schema)
        if let choice = elements(schema["enum"]).last(where: { $0 != .null }) { return choice }
        switch text(schema["type"]) {
        case "boolean": return .bool(false)
        case "integer":
            return try #require(schema[highest ? "maximum" : "minimum"], "\(schema.text)")
        case "array":
            guard schema["maxItems"] != .integer(0) else { return .array([]) }
            return .array([try example(try #require(schema["items"]), highest: highest)])
        case "object":
            return JSON(
                .object(
                    try members(schema["properties"]).filter { !isRefused($0.name, schema) }.map {
                        JSON.Member($0.name, try example($0.value, highest: highest))
                    }))
        default:
            let pattern = text(schema["pattern"]) ?? "^[^\\x00]*$"
            if let value = fitting[pattern] { return .string(value) }
            if pattern.contains("TRACE") { return .string("Warning") }
            #expect(pattern.hasPrefix("^169"), "no example of \(pattern)")
            return .string("169.254.169.254")
        }
    }

    /// Whether a member is documented as refused, or excludes another one.
    static func isRefused(_ name: String, _ schema: JSON) -> Bool {
        name == "socket"
            || name == "mem_file_path" && schema["properties"]?["mem_backend"] != nil
    }

    static let bodies = APIOperation.allCases.filter { $0.body != nil }

    /// A body with all members, as the document allows it.
    static func example(_ operation: APIOperation, highest: Bool = false) throws -> JSON {
        // Sizes that must fit to each other.
        if operation == .putMemoryHotplug {
            return .object([
                ("total_size_mib", .integer(highest ? 4_294_967_040 : 128)),
                ("block_size_mib", .integer(2)), ("slot_size_mib", .integer(128)),
            ])
        }
        return try example(try #require(Self.body(operation)), highest: highest)
    }

    static func replacing(_ body: JSON, _ name: String, _ value: JSON?) -> JSON {
        JSON(
            .object(
                members(body).compactMap { member in
                    guard member.name == name else { return member }
                    return value.map { JSON.Member(name, $0) }
                }))
    }

    static func read(_ operation: APIOperation, _ body: JSON) throws(JSONError) {
        _ = try operation.body?.init(json: body)
    }

    @Test(arguments: bodies, [false, true])
    func `What the document allows is read`(_ operation: APIOperation, _ highest: Bool) throws {
        let body = try Self.example(operation, highest: highest)
        #expect(throws: Never.self) { try Self.read(operation, body) }
    }

    @Test(arguments: bodies)
    func `Members are needed, or may be null, as the document says`(
        _ operation: APIOperation
    ) throws {
        let schema = try #require(Self.body(operation))
        let body = try Self.example(operation)
        let needed = Set(Self.elements(schema["required"]).compactMap(Self.text))
        for member in Self.members(body) {
            let name = member.name
            for without in [Self.replacing(body, name, nil), Self.replacing(body, name, .null)] {
                if needed.contains(name) {
                    let error = #expect(throws: JSONError.self) {
                        try Self.read(operation, without)
                    }
                    #expect(error?.reason == .missingField(name), "\(name)")
                } else if operation != .loadSnapshot || name != "mem_backend" {
                    #expect(throws: Never.self, "\(name)") { try Self.read(operation, without) }
                }
            }
            let property = try #require(schema["properties"]?[name])
            #expect((property["nullable"] == .bool(true)) != needed.contains(name), "\(name)")
        }
    }

    /// What `body` is read as.
    static func value(_ operation: APIOperation, _ body: JSON) throws -> AnyHashable {
        func read(_ type: (some APIObject).Type) throws(JSONError) -> AnyHashable {
            AnyHashable(try type.init(json: body))
        }
        let type = try #require(operation.body)
        return try read(type)
    }

    @Test func `A member that is left out is what the document says`() throws {
        var count = 0
        for operation in Self.bodies {
            let body = try Self.example(operation)
            for property in Self.members(Self.body(operation)?["properties"]) {
                guard let preset = property.value["default"] else { continue }
                let without = try Self.value(operation, Self.replacing(body, property.name, nil))
                let with = try Self.value(operation, Self.replacing(body, property.name, preset))
                #expect(with == without, "\(operation) \(property.name)")
                count += 1
            }
        }
        #expect(count > 20)
    }

    @Test(arguments: bodies)
    func `A member of another type, out of bounds, or unknown is refused`(
        _ operation: APIOperation
    ) throws {
        let schema = try #require(Self.body(operation))
        let body = try Self.example(operation)
        for member in Self.members(body) {
            let property = Self.resolved(try #require(schema["properties"]?[member.name]))
            for value in try Self.wrong(property) {
                #expect(throws: JSONError.self, "\(member.name): \(value.text)") {
                    try Self.read(operation, Self.replacing(body, member.name, value))
                }
            }
        }
        let more = JSON(.object(Self.members(body) + [JSON.Member("surplus", .null)]))
        let error = #expect(throws: JSONError.self) { try Self.read(operation, more) }
        #expect(
            error?.reason
                == .unknownField("surplus", expected: operation.body.map { $0.fields } ?? []))
    }

    /// Values of another type than the schema's, or just outside its bounds.
    static func wrong(_ schema: JSON) throws -> [JSON] {
        var wrong: [JSON] = []
        if text(schema["type"]) != "boolean" { wrong.append(.bool(true)) }
        if text(schema["type"]) != "array" { wrong.append(.array([.array([])])) }
        if text(schema["type"]) != "string" { wrong.append(.string("\u{1}")) }
        if schema["enum"] != nil { wrong.append(.string("Nonsense")) }
        if schema["minLength"] != nil { wrong.append(.string("")) }
        for (bound, step) in [("minimum", -1), ("maximum", 1)] as [(String, Int128)] {
            if let limit: Int128 = try schema[bound]?.asInteger() {
                wrong.append(.integer(limit + step))
            }
        }
        return wrong
    }

    /// `whole`, which fits, with one fault each in what it holds, however deep; and where that is.
    static func spoiled(_ whole: JSON, _ given: JSON, at place: String) throws -> [(String, JSON)] {
        let schema = resolved(given)
        var spoiled = try wrong(schema).map { (place, $0) }
        if case .array(let elements) = whole.value, let first = elements.first {
            let item = try #require(schema["items"])
            spoiled += try Self.spoiled(first, item, at: place + ".0").map { ($0, .array([$1])) }
        }
        guard case .object(let members) = whole.value, schema["properties"] != nil else {
            return spoiled
        }
        for member in members {
            let property = try #require(schema["properties"]?[member.name])
            let place = place + "." + member.name
            spoiled += try Self.spoiled(member.value, property, at: place).map {
                ($0, replacing(whole, member.name, $1))
            }
        }
        for name in elements(schema["required"]).compactMap(text) {
            spoiled.append((place + " without " + name, replacing(whole, name, nil)))
            spoiled.append((place + " with no " + name, replacing(whole, name, .null)))
        }
        let more = JSON(.object(members + [JSON.Member("surplus", .null)]))
        return spoiled + [(place + " with more", more)]
    }

    @Test(arguments: bodies)
    func `What lies inside other objects is as carefully looked at`(
        _ operation: APIOperation
    ) throws {
        let schema = try #require(Self.body(operation))
        let rows = try Self.spoiled(try Self.example(operation), schema, at: "body")
        for (place, body) in rows {
            #expect(throws: JSONError.self, "\(place): \(body.text)") {
                try Self.read(operation, body)
            }
        }
    }

    @Test func `Objects inside others have many ways to be wrong`() throws {
        let schema = try #require(Self.body(.putCPUConfig))
        let rows = try Self.spoiled(try Self.example(.putCPUConfig), schema, at: "body")
        let places = Set(rows.map { $0.0 })
        #expect(places.contains("body.cpuid_modifiers.0.modifiers.0.register"))
        #expect(places.contains("body.cpuid_modifiers.0.modifiers.0 with more"))
    }
}

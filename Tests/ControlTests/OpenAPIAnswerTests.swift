// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Control

/// `docs/openapi.yaml` against what is answered: every member is documented, and every documented
/// one told.
@Suite struct OpenAPIAnswerTests {
    typealias Document = OpenAPITests

    /// Bodies that set all members there are.
    static let settings: [(path: String, body: String)] = {
        let bucket = #"{"size":1,"one_time_burst":2,"refill_time":3}"#
        let limiter = #"{"bandwidth":\#(bucket),"ops":\#(bucket)}"#
        return [
            ("/boot-source", #"{"kernel_image_path":"k","initrd_path":"i","boot_args":"a"}"#),
            ("/machine-config", #"{"vcpu_count":2,"mem_size_mib":256,"smt":true}"#),
            (
                "/drives/r",
                #"{"drive_id":"r","is_root_device":true,"path_on_host":"f","partuuid":"1-2","#
                    + #""cache_type":"Writeback","is_read_only":true,"io_engine":"Async","#
                    + #""discard":false,"rate_limiter":\#(limiter)}"#
            ),
            (
                "/network-interfaces/n",
                #"{"iface_id":"n","host_dev_name":"t","guest_mac":"06:00:ac:10:00:02","#
                    + #""mtu":1500,"rx_rate_limiter":\#(limiter),"tx_rate_limiter":\#(limiter)}"#
            ),
            ("/pmem/p", #"{"id":"p","path_on_host":"f","rate_limiter":\#(limiter)}"#),
            (
                "/balloon",
                #"{"amount_mib":1,"deflate_on_oom":true,"stats_polling_interval_s":1,"#
                    + #""free_page_hinting":true,"free_page_reporting":true}"#
            ),
            ("/hotplug/memory", #"{"total_size_mib":256}"#),
            (
                "/mmds/config",
                #"{"network_interfaces":["n"],"version":"V2","ipv4_address":"169.254.1.1","#
                    + #""imds_compat":true}"#
            ),
            (
                "/cpu-config",
                #"{"kvm_capabilities":["!56"],"msr_modifiers":[{"addr":"0x10","bitmap":"0b1"}],"#
                    + #""cpuid_modifiers":[{"leaf":"0x1","subleaf":"0x0","flags":0,"modifiers":"#
                    + #"[{"register":"ecx","bitmap":"0b1x0"}]}]}"#
            ),
            (
                "/logger",
                #"{"log_path":"l","level":"Debug","show_level":true,"show_log_origin":true,"#
                    + #""module":"m"}"#
            ),
            ("/metrics", #"{"metrics_path":"m","emit_id":true,"properties":{"a":"b"}}"#),
            ("/serial", #"{"serial_out_path":"s","rate_limiter":\#(bucket)}"#),
            ("/entropy", #"{"rate_limiter":\#(limiter)}"#),
            ("/vsock", #"{"guest_cid":3,"uds_path":"v"}"#), ("/mmds", #"{"a":1}"#),
        ]
    }()

    /// What a comparison has found.
    struct Comparison {
        var faults: [String] = []
        /// Places of members that are documented, and of those that were told.
        var documented: Set<String> = []
        var told: Set<String> = []
        var untold: Set<String> { documented.subtracting(told) }

        mutating func compare(_ json: JSON, _ given: JSON, at place: String) {
            let schema = Document.resolved(given)
            if json == .null {
                let mayBeNull = [given, schema].contains { $0["nullable"] == .bool(true) }
                if !mayBeNull { faults.append("\(place) is null") }
                return
            }
            if let choice = schema["enum"], !Document.elements(choice).contains(json) {
                faults.append("\(place) is \(json.text)")
            }
            switch (Document.text(schema["type"]), json.value) {
            case ("object", .object(let members)): compare(members, schema, at: place)
            case ("array", .array(let elements)):
                for element in elements { compare(element, schema["items"] ?? .null, at: place) }
            case ("integer", .integer(let number)): compare(number, schema, at: place)
            case ("string", .string(let text)):
                let pattern = Document.text(schema["pattern"]) ?? ""
                if text.range(of: pattern, options: .regularExpression) == nil, pattern != "" {
                    faults.append("\(place) is \(text), not as \(pattern)")
                }
            case ("boolean", .bool), (nil, _): break
            default: faults.append("\(place) is \(json.text)")
            }
        }

        private mutating func compare(_ number: Int128, _ schema: JSON, at place: String) {
            let least: Int128? = try? schema["minimum"]?.asInteger()
            let most: Int128? = try? schema["maximum"]?.asInteger()
            if number < least ?? .min || number > most ?? .max {
                faults.append("\(place) is \(number)")
            }
        }

        private mutating func compare(_ members: [JSON.Member], _ schema: JSON, at place: String) {
            let properties = Document.members(schema["properties"])
            documented.formUnion(properties.map { place + $0.name })
            for name in Document.elements(schema["required"]).compactMap(Document.text)
            where !members.contains(where: { $0.name == name }) {
                faults.append("\(place) has no \(name)")
            }
            for member in members {
                if member.value != .null { told.insert(place + member.name) }
                if let property = schema["properties"]?[member.name] {
                    compare(member.value, property, at: place + member.name + ".")
                } else if schema["additionalProperties"] == .bool(false) {
                    faults.append("\(place)\(member.name) is not documented")
                }
            }
        }
    }

    static let schemas: [APIOperation: JSON] = {
        var schemas: [APIOperation: JSON] = [:]
        for operation in APIOperation.allCases {
            let answer = Document.entry(operation)?["responses"]?["200"]?["content"]
            schemas[operation] = answer?["application/json"]?["schema"]
        }
        return schemas
    }()

    static let rows: [(APIOperation, Set<String>)] = [
        (.getInstance, []), (.getVersion, []), (.getBalloon, []), (.getMMDS, []),
        (.getMachine, ["cpu_template"]),
        (
            .getVMConfig,
            [
                "machine-config.cpu_template", "drives.socket", "vsock.vsock_id",
                "cpu-config.reg_modifiers", "cpu-config.vcpu_features",
            ]
        ),
    ]

    @Test(arguments: rows)
    func `An answer is as documented, and nothing documented is missing`(
        _ operation: APIOperation, _ untold: Set<String>
    ) throws {
        var rig = Rig(limit: 1000)
        for (path, body) in Self.settings {
            let reply = rig.send(.put, path, body)
            #expect(reply.status == 204, "\(path): \(reply.body)")
        }
        let reply = rig.send(.get, operation.route.path)
        #expect(reply.status == 200)
        var comparison = Comparison()
        comparison.compare(
            try JSONParser.parse(Array(reply.body.utf8)), try #require(Self.schemas[operation]),
            at: "")
        #expect(comparison.faults == [])
        #expect(comparison.untold == untold)
    }

    @Test func `An answer before anything is set is as documented`() throws {
        for (operation, _) in Self.rows where operation != .getBalloon {
            var rig = Rig()
            let reply = rig.send(.get, operation.route.path)
            #expect(reply.status == 200)
            var comparison = Comparison()
            comparison.compare(
                try JSONParser.parse(Array(reply.body.utf8)), try #require(Self.schemas[operation]),
                at: "")
            #expect(comparison.faults == [], "\(operation)")
        }
    }

    /// Strings in the monitor's sources between two marks: what the machine itself answers.
    private func names(_ path: String, from start: String, to end: String) throws -> Set<String> {
        let text = try MetricsNamesTests.text(path)
        let first = try #require(text.range(of: start), "\(start)")
        let last = try #require(text.range(of: end, range: first.upperBound..<text.endIndex))
        return Set(MetricsNamesTests.literals(text[first.upperBound..<last.lowerBound]))
    }

    @Test func `What a running machine says of its devices is documented`() throws {
        func documented(_ operation: APIOperation) throws -> Set<String> {
            let schema = Document.resolved(try #require(Self.schemas[operation]))
            return Set(Document.members(schema["properties"]).map(\.name))
        }
        let host = "Sources/vmm/MonitorHost+Devices.swift"
        let memory = try names(
            host, from: "machine.hotplugStatus", to: "case .balloonStatistics:")
        #expect(try documented(.getMemoryHotplug) == memory.union(["slot_size_mib"]))
        #expect(
            try documented(.getHinting) == names(host, from: "status.canHint", to: "])"))
        let sizes = try names(
            "Sources/Machine/MachineStatus.swift", from: "var named", to: "for field in")
        let told = try names(
            "Sources/Devices/Balloon/BalloonStatistics.swift", from: "static var fields",
            to: "package init()")
        #expect(told.count == 16)
        #expect(try documented(.getBalloonStatistics) == sizes.union(told))
    }
}

// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct APIRouterTests {
    @Test(
        arguments: [
            (.get, "/x", nil, "Invalid request method and/or path: GET x."),
            (.get, "/vm", nil, "Invalid request method and/or path: GET vm."),
            (.get, "/version/more", nil, "Invalid request method and/or path: GET version/more."),
            (.patch, "/logger", "{}", "Invalid request method and/or path: PATCH logger."),
            (.put, "/x", "{}", "Invalid request method and/or path: PUT x."),
            (.other("POST"), "/", "{}", "Invalid request method and/or path: POST ."),
            (.delete, "/vm", nil, "Invalid request method and/or path: DELETE vm."),
            (.put, "/snapshot/x", "{}", "Invalid request method and/or path: PUT snapshot/x."),
            (.get, "/", "{}", "GET request cannot have a body."),
            (.put, "/x", nil, "Empty PUT request."),
            (.put, "/vsock", nil, "Empty PUT request."),
            (.patch, "/vm", nil, "Empty PATCH request."),
            (.patch, "/machine-config", "{}", "Empty PATCH request."),
            (.delete, "/drives/a", "{}", "Empty Delete request."),
            (.put, "/drives", "{}", "The ID cannot be empty."),
            (.put, "/drives/", "{}", "The ID cannot be empty."),
            (.patch, "/pmem", "{}", "The ID cannot be empty."),
            (.delete, "/network-interfaces", nil, "The ID cannot be empty."),
            (
                .put, "/drives/a-b", "{}",
                "API Resource IDs can only contain alphanumeric characters and underscores."
            ),
            (
                .put, "/drives/a%20", "{}",
                "API Resource IDs can only contain alphanumeric characters and underscores."
            ),
            (
                .put, "/drives/a",
                #"{"drive_id":"b","is_root_device":false,"path_on_host":"f"}"#,
                "The id from the path does not match the id from the body!"
            ),
            (
                .put, "/network-interfaces/a", #"{"iface_id":"b","host_dev_name":"t"}"#,
                "The id from the path [a] does not match the id from the body [b]!"
            ),
            (
                .put, "/actions", #"{"action_type":"Reboot"}"#,
                "An error occurred when deserializing the json body of a request: unknown variant"
                    + " `Reboot`, expected one of `FlushMetrics`, `InstanceStart`,"
                    + " `SendCtrlAltDel`, `PressPowerButton` at line 1 column 23, in"
                    + " `action_type`."
            ),
            (
                .put, "/vsock", "{\n\"guest_cid\": 3,\n\"uds\": \"v\"}",
                "An error occurred when deserializing the json body of a request: unknown field"
                    + " `uds`, expected one of `guest_cid`, `uds_path`, `vsock_id` at line 3"
                    + " column 8."
            ),
            (
                .put, "/vsock", "{\"guest_cid\":3,\n\"guest_cid\":3}",
                "An error occurred when deserializing the json body of a request: duplicate field"
                    + " `guest_cid` at line 2 column 1."
            ),
            (
                .put, "/mmds/config", #"{"network_interfaces":["a"],"version":"foo"}"#,
                "An error occurred when deserializing the json body of a request: unknown variant"
                    + " `foo`, expected `V1` or `V2` at line 1 column 43, in `version`."
            ),
            (
                .put, "/snapshot/load", #"{"snapshot_path":"s"}"#,
                "An error occurred when deserializing the json body of a request: missing field:"
                    + " either `mem_backend` or `mem_file_path` is required at line 1 column 1."
            ),
            // The columns that Firecracker's own tests expect.
            (
                .put, "/machine-config", #"{"mem_size_mib": 128}"#,
                "An error occurred when deserializing the json body of a request: missing field"
                    + " `vcpu_count` at line 1 column 21."
            ),
            (
                .put, "/machine-config", #"{"vcpu_count": 2}"#,
                "An error occurred when deserializing the json body of a request: missing field"
                    + " `mem_size_mib` at line 1 column 17."
            ),
            (
                .put, "/machine-config", "{\n  \"vcpu_count\": 2\n } ",
                "An error occurred when deserializing the json body of a request: missing field"
                    + " `mem_size_mib` at line 3 column 2."
            ),
            (
                .put, "/vsock", "{",
                "An error occurred when deserializing the json body of a request: EOF while parsing"
                    + " an object at line 1 column 2."
            ),
        ] as [(HTTPMethod, String, String?, String)])
    func `A wrong request is refused in Firecracker's words`(
        _ method: HTTPMethod, _ path: String, _ body: String?, _ message: String
    ) throws {
        var rig = Rig()
        #expect(try rig.fault(method, path, body) == message)
        #expect(rig.host.all.isEmpty)
    }

    @Test func `Keys and the power button of a running machine are pressed`() {
        var rig = Rig()
        rig.start()
        for action in ["SendCtrlAltDel", "PressPowerButton"] {
            #expect(rig.send(.put, "/actions", "{\"action_type\":\"\(action)\"}").status == 204)
        }
        #expect(rig.host.all.suffix(2) == ["keys", "power"])
    }

    @Test func `Every operation is found by its path and by no other's`() throws {
        let router = APIRouter()
        for operation in APIOperation.allCases {
            let (method, path) = operation.route
            let hasBody = method == .put || method == .patch
            let target = path.split(separator: "/").map { $0 == "{id}" ? "a_1" : $0 }
                .joined(separator: "/")
            for slash in ["", "/"] {
                let match = try router.match(
                    HTTPRequest(method, "/" + target + slash, body: hasBody ? [0x7b] : nil))
                #expect(match.operation == operation)
                #expect(match.id == (path.hasSuffix("{id}") ? "a_1" : nil))
            }
        }
    }

    @Test(
        arguments: [
            (
                .put, "/machine-config",
                #"{"vcpu_count":1,"mem_size_mib":128,"cpu_template":"None"}"#, true
            ),
            (.patch, "/machine-config", #"{"cpu_template":"None"}"#, true),
            (
                .put, "/machine-config",
                #"{"vcpu_count":1,"mem_size_mib":128,"cpu_template":null}"#, false
            ),
            (.put, "/vsock", #"{"guest_cid":3,"uds_path":"v","vsock_id":"x"}"#, true),
            (.put, "/vsock", #"{"guest_cid":3,"uds_path":"v"}"#, false),
        ] as [(HTTPMethod, String, String, Bool)])
    func `What is deprecated still works and says so`(
        _ method: HTTPMethod, _ path: String, _ body: String, _ isDeprecated: Bool
    ) {
        var rig = Rig()
        let reply = rig.send(method, path, body)
        #expect(reply.status == 204)
        #expect((reply.deprecation != nil) == isDeprecated)
    }

    @Test func `Bodies of noise are refused and nothing worse`() throws {
        var random = Random(seed: 99)
        let words = [
            "{", "}", "[", "]", ":", ",", "\"", "\"drive_id\"", "\"a\"", "null", "true", "1",
            "-1", "1e400", "99999999999999999999", "\\u0000", "\"rate_limiter\"", "{}",
        ]
        var rig = Rig()
        for _ in 0..<2000 {
            let operation = APIOperation.allCases[
                Int(random.next() % UInt64(APIOperation.allCases.count))]
            let body = (0..<Int(random.next() % 12)).map { _ in
                words[Int(random.next() % UInt64(words.count))]
            }.joined()
            let path = operation.route.path.split(separator: "/").map { $0 == "{id}" ? "a" : $0 }
                .joined(separator: "/")
            let reply = rig.send(operation.route.method, "/" + path, body.isEmpty ? nil : body)
            #expect(reply.status < 500)
        }
    }

    /// Whatever the router takes for metadata, and what somebody may have meant by a wrong path.
    @Test(
        arguments: [
            ("/mmds", true), ("/mmds/", true), ("//mmds", true), ("///mmds/", true),
            ("mmds", true), ("/mmds//", true), ("/mmds?a", true), ("/mmds/latest", true),
            ("/mmds/config", false), ("/mmds/config/", false), ("//mmds/config", false),
            ("/mmdsx", false), ("/drives/mmds", false), ("/", false), ("", false),
        ])
    func `Paths of metadata are told from others`(_ target: String, _ isMetadata: Bool) {
        #expect(APIRouter.carriesMetadata(target) == isMetadata)
        let match = try? APIRouter().match(HTTPRequest(.put, target, body: []))
        #expect(match?.operation != .putMMDS || isMetadata)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Finds the operation that a request means, and reads its body.
package struct APIRouter: Sendable {
    /// An operation and the identifier from its path.
    package struct Match: Hashable, Sendable {
        package let operation: APIOperation
        package let id: String?
    }

    /// A request with what its sender should know.
    package struct Parsed: Hashable, Sendable {
        package let request: APIRequest
        /// It uses what is deprecated; the sentence says what.
        package let deprecation: String?
    }

    private struct Entry {
        let operation: APIOperation
        let method: HTTPMethod
        let segments: [Substring]
    }

    private let entries: [Entry]

    package init() {
        entries = APIOperation.allCases.map { operation in
            let route = operation.route
            return Entry(
                operation: operation, method: route.method,
                segments: route.path.split(separator: "/"))
        }
    }

    // MARK: Paths

    /// The operation of a method and path. Whether a body is there decides, as in Firecracker,
    /// which error comes first.
    package func match(_ request: HTTPRequest) throws(APIFault) -> Match {
        let segments = Self.segments(request.target)
        let hasBody = request.body != nil
        switch request.method {
        case .get where hasBody: throw APIFault("GET request cannot have a body.")
        case .delete where hasBody: throw APIFault("Empty Delete request.")
        default: break
        }
        let found = find(request.method, segments)
        if !hasBody, found?.operation.bodyIsOptional != true {
            if request.method == .put { throw APIFault("Empty PUT request.") }
            if request.method == .patch { throw APIFault("Empty PATCH request.") }
        }
        guard let found else {
            if isMissingID(request.method, segments) { throw APIFault("The ID cannot be empty.") }
            throw .path(request.method, segments.joined(separator: "/"))
        }
        if let id = found.id, let fault = ResourceID.fault(of: id) { throw APIFault(fault) }
        return found
    }

    /// The parts of a path, without empty ones in front and one behind.
    private static func segments(_ target: String) -> [Substring] {
        var segments = target.drop { $0 == "/" }
            .split(separator: "/", omittingEmptySubsequences: false)
        if segments.last?.isEmpty == true { segments.removeLast() }
        return segments
    }

    /// Whether a body sent to `target` is metadata, or was meant to be: they may be secret.
    package static func carriesMetadata(_ target: String) -> Bool {
        let segments = target.prefix { $0 != "?" && $0 != "#" }.split(separator: "/")
        return segments.first == "mmds" && segments.dropFirst() != ["config"]
    }

    private func find(_ method: HTTPMethod, _ segments: [Substring]) -> Match? {
        for entry in entries
        where entry.method == method && entry.segments.count == segments.count {
            var id: String?
            let fits = zip(entry.segments, segments).allSatisfy { wanted, given in
                guard wanted == "{id}" else { return wanted == given }
                id = String(given)
                return true
            }
            if fits { return Match(operation: entry.operation, id: id) }
        }
        return nil
    }

    private func isMissingID(_ method: HTTPMethod, _ segments: [Substring]) -> Bool {
        entries.contains { entry in
            entry.method == method && entry.segments.last == "{id}"
                && entry.segments.dropLast().elementsEqual(segments)
        }
    }

    // MARK: Bodies

    /// Reads the body for the operation that was found.
    package func parse(_ match: Match, _ body: [UInt8]?) throws(APIFault) -> Parsed {
        do throws(JSONError) {
            // A body at its limit may hold a single number; the parser's own limit is higher.
            let json = try body.map { bytes throws(JSONError) in
                try JSONParser.parse(bytes, limit: .max)
            }
            let request = try Self.request(match.operation, json ?? .object([]), match.id)
            try Self.checkID(request, match.id)
            return Parsed(
                request: request,
                deprecation: json.flatMap { Self.deprecation(match.operation, $0, request) })
        } catch {
            if case .invalid(let text) = error.reason, error.position == nil, error.path.isEmpty {
                throw APIFault(text)
            }
            if case .unfit(let fault) = error.reason { throw APIFault(fault) }
            throw .body(error)
        }
    }

    private static func request(
        _ operation: APIOperation, _ json: JSON, _ id: String?
    ) throws(JSONError) -> APIRequest {
        switch operation {
        case .getInstance: .getInstance
        case .putAction: try action(json)
        case .getBalloon: .getBalloon
        case .putBalloon: .putBalloon(try BalloonConfig(json: json))
        case .patchBalloon: .patchBalloon(try BalloonUpdate(json: json))
        case .getBalloonStatistics: .getBalloonStatistics
        case .patchBalloonStatistics:
            .patchBalloonStatistics(try BalloonStatisticsUpdate(json: json))
        case .startHinting: .startHinting(try BalloonHintingStart(json: json))
        case .getHinting: .getHinting
        case .stopHinting: .stopHinting
        case .putBootSource: .putBootSource(try BootSource(json: json))
        case .putCPUConfig: .putCPUConfig(try CPUConfig(json: json))
        case .putDrive: .putDrive(try DriveConfig(json: json))
        case .patchDrive: .patchDrive(try DriveUpdate(json: json))
        case .deleteDrive: .remove(.drive, id: id ?? "")
        case .putPmem: .putPmem(try PmemConfig(json: json))
        case .patchPmem: .patchPmem(try PmemUpdate(json: json))
        case .deletePmem: .remove(.pmem, id: id ?? "")
        case .putNetwork: .putNetwork(try NetworkConfig(json: json))
        case .patchNetwork: .patchNetwork(try NetworkUpdate(json: json))
        case .deleteNetwork: .remove(.network, id: id ?? "")
        default: try laterRequest(operation, json)
        }
    }

    private static func laterRequest(
        _ operation: APIOperation, _ json: JSON
    ) throws(JSONError) -> APIRequest {
        switch operation {
        case .putLogger: .putLogger(try LoggerConfig(json: json))
        case .getMachine: .getMachine
        case .putMachine: .putMachine(try MachineConfig(json: json))
        case .patchMachine: try machineUpdate(json)
        case .getMetrics: .getMetrics
        case .putMetrics: .putMetrics(try MetricsConfig(json: json))
        case .getMMDS: .getMMDS
        case .putMMDS: .putMMDS(json)
        case .patchMMDS: .patchMMDS(json)
        case .putMMDSConfig: .putMMDSConfig(try MMDSConfig(json: json))
        case .putEntropy: .putEntropy(try EntropyConfig(json: json))
        case .patchEntropy: .patchEntropy(try EntropyConfig(json: json))
        case .putSerial: .putSerial(try SerialConfig(json: json))
        case .getMemoryHotplug: .getMemoryHotplug
        case .putMemoryHotplug: .putMemoryHotplug(try MemoryHotplugConfig(json: json))
        case .patchMemoryHotplug: .patchMemoryHotplug(try MemoryHotplugUpdate(json: json))
        case .createSnapshot: .createSnapshot(try SnapshotCreation(json: json))
        case .loadSnapshot: .loadSnapshot(try SnapshotLoad(json: json))
        case .getVersion: .getVersion
        case .patchVM: try InstanceState(json: json).wanted == .paused ? .pause : .resume
        case .putVsock: .putVsock(try VsockConfig(json: json))
        default: .getVMConfig
        }
    }

    private static func action(_ json: JSON) throws(JSONError) -> APIRequest {
        switch try InstanceAction(json: json).kind {
        case .flushMetrics: .flushMetrics
        case .start: .start
        case .sendCtrlAltDel: .sendCtrlAltDel
        case .pressPowerButton: .pressPowerButton
        }
    }

    private static func machineUpdate(_ json: JSON) throws(JSONError) -> APIRequest {
        let update = try MachineUpdate(json: json)
        guard !update.isEmpty else {
            throw JSONError(.invalid("Empty PATCH request."), at: nil)
        }
        return .patchMachine(update)
    }

    /// Path and body must name the same device.
    private static func checkID(_ request: APIRequest, _ id: String?) throws(JSONError) {
        let inBody: String
        switch request {
        case .putDrive(let drive): inBody = drive.id
        case .patchDrive(let update): inBody = update.id
        case .putPmem(let pmem): inBody = pmem.id
        case .patchPmem(let update): inBody = update.id
        case .putNetwork(let network): inBody = network.id
        case .patchNetwork(let update): inBody = update.id
        default: return
        }
        guard inBody != id else { return }
        let text =
            switch request {
            case .putNetwork, .patchNetwork:
                "The id from the path [\(id ?? "")] does not match the id from the body"
                    + " [\(inBody)]!"
            default: "The id from the path does not match the id from the body!"
            }
        throw JSONError(.invalid(text), at: nil)
    }

    private static func deprecation(
        _ operation: APIOperation, _ json: JSON, _ request: APIRequest
    ) -> String? {
        let hasField = { (name: String) in (json[name] ?? .null) != .null }
        switch request {
        case .putMachine where hasField("cpu_template"):
            return "PUT /machine-config: cpu_template field is deprecated."
        case .patchMachine where hasField("cpu_template"):
            return "PATCH /machine-config: cpu_template field is deprecated."
        case .putVsock where hasField("vsock_id"):
            return "PUT /vsock: vsock_id field is deprecated."
        case .putMMDSConfig(let config) where config.version == .v1:
            return "PUT /mmds/config: V1 is deprecated. Use V2 instead."
        case .loadSnapshot(let load) where load.isDeprecated:
            return "PUT /snapshot/load: mem_file_path and enable_diff_snapshots fields are"
                + " deprecated."
        default: return nil
        }
    }
}

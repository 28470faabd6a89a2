// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct ControllerTests {
    @Test func `A machine is configured, started, paused and resumed`() throws {
        var rig = Rig()
        #expect(rig.send(.put, "/boot-source", #"{"kernel_image_path":"k"}"#).status == 204)
        #expect(
            rig.send(.put, "/machine-config", #"{"vcpu_count":2,"mem_size_mib":256}"#).status
                == 204)
        #expect(rig.send(.put, "/actions", #"{"action_type":"InstanceStart"}"#).status == 204)
        #expect(rig.send(.get, "/").body.contains(#""state":"Running""#))
        #expect(rig.send(.patch, "/vm", #"{"state":"Paused"}"#).status == 204)
        #expect(rig.send(.get, "/").body.contains(#""state":"Paused""#))
        // A second time changes nothing and is right all the same.
        #expect(rig.send(.patch, "/vm", #"{"state":"Paused"}"#).status == 204)
        #expect(rig.send(.patch, "/vm", #"{"state":"Resumed"}"#).status == 204)
        #expect(rig.send(.get, "/").body.contains(#""state":"Running""#))
        #expect(rig.host.all == ["check", "start", "pause", "resume"])
    }

    @Test func `A start that fails leaves the machine to be configured`() throws {
        var rig = Rig(failing: ["start"])
        #expect(
            try rig.fault(.put, "/actions", #"{"action_type":"InstanceStart"}"#)
                == "Start microvm error: Cannot start microvm without kernel configuration.")
        _ = rig.send(.put, "/boot-source", #"{"kernel_image_path":"k"}"#)
        #expect(
            try rig.fault(.put, "/actions", #"{"action_type":"InstanceStart"}"#)
                == "Start microvm error: start failed")
        #expect(rig.send(.get, "/").body.contains("Not started"))
        #expect(rig.send(.put, "/boot-source", #"{"kernel_image_path":"k"}"#).status == 204)
    }

    static let bodies: [(APIOperation, String)] = [
        (.putBalloon, #"{"amount_mib":1,"deflate_on_oom":true}"#),
        (.putBootSource, #"{"kernel_image_path":"k"}"#),
        (.putCPUConfig, "{}"),
        (.putLogger, "{}"),
        (.putMachine, #"{"vcpu_count":1,"mem_size_mib":128}"#),
        (.patchMachine, #"{"vcpu_count":1}"#),
        (.putMetrics, #"{"metrics_path":"m"}"#),
        (.putMMDSConfig, #"{"network_interfaces":["eth0"]}"#),
        (.putEntropy, "{}"),
        (.putSerial, "{}"),
        (.putMemoryHotplug, #"{"total_size_mib":128}"#),
        (.loadSnapshot, #"{"snapshot_path":"s","mem_file_path":"m"}"#),
        (.putVsock, #"{"guest_cid":3,"uds_path":"v"}"#),
        (.putAction, #"{"action_type":"InstanceStart"}"#),
    ]

    @Test(arguments: bodies)
    func `What makes the machine is refused after the start`(
        _ operation: APIOperation, _ body: String
    ) throws {
        var rig = Rig()
        rig.start()
        #expect(
            try rig.fault(operation.route.method, operation.route.path, body)
                == "The requested operation is not supported after starting the microVM.")
    }

    @Test(
        arguments: [
            (.put, "/actions", #"{"action_type":"FlushMetrics"}"#),
            (.put, "/actions", #"{"action_type":"SendCtrlAltDel"}"#),
            (.put, "/actions", #"{"action_type":"PressPowerButton"}"#),
            (.patch, "/vm", #"{"state":"Paused"}"#),
            (.patch, "/vm", #"{"state":"Resumed"}"#),
            (.get, "/balloon/statistics", nil),
            (.patch, "/balloon", #"{"amount_mib":1}"#),
            (.patch, "/balloon/statistics", #"{"stats_polling_interval_s":1}"#),
            (.patch, "/balloon/hinting/start", nil),
            (.patch, "/balloon/hinting/start", "{}"),
            (.get, "/balloon/hinting/status", nil),
            (.patch, "/balloon/hinting/stop", nil),
            (.patch, "/drives/a", #"{"drive_id":"a"}"#),
            (.delete, "/drives/a", nil),
            (.patch, "/pmem/a", #"{"id":"a"}"#),
            (.patch, "/entropy", "{}"),
            (.delete, "/pmem/a", nil),
            (.patch, "/network-interfaces/a", #"{"iface_id":"a"}"#),
            (.delete, "/network-interfaces/a", nil),
            (.get, "/hotplug/memory", nil),
            (.patch, "/hotplug/memory", #"{"requested_size_mib":0}"#),
            (.put, "/snapshot/create", #"{"snapshot_path":"s","mem_file_path":"m"}"#),
        ] as [(HTTPMethod, String, String?)])
    func `What needs a running machine is refused before the start`(
        _ method: HTTPMethod, _ path: String, _ body: String?
    ) throws {
        var rig = Rig()
        #expect(
            try rig.fault(method, path, body)
                == "The requested operation is not supported before starting the microVM.")
    }

    @Test func `A snapshot is loaded only into a machine that nobody touched`() throws {
        let load = #"{"snapshot_path":"s","mem_file_path":"m"}"#
        var rig = Rig()
        _ = rig.send(.put, "/logger", "{}")
        let reply = rig.send(.put, "/snapshot/load", load)
        #expect(reply.status == 400)
        #expect(reply.body.contains("snapshots are not part of this version yet"))
        #expect(reply.deprecation != nil)
        _ = rig.send(.put, "/entropy", "{}")
        #expect(
            try rig.fault(.put, "/snapshot/load", load)
                == "Load snapshot error: Loading a microVM snapshot not allowed after configuring"
                + " boot-specific resources.")
    }

    @Test func `A command line that no kernel takes is refused when it is set`() throws {
        var rig = Rig()
        // Bytes count, and "é" has two.
        for (line, isGood) in [
            (String(repeating: "x", count: 2047), true),
            (String(repeating: "x", count: 2048), false),
            (String(repeating: "é", count: 1024), false),
        ] {
            let body = "{\"kernel_image_path\":\"k\",\"boot_args\":\"\(line)\"}"
            if isGood {
                #expect(rig.send(.put, "/boot-source", body).status == 204)
            } else {
                #expect(
                    try rig.fault(.put, "/boot-source", body)
                        == "Boot source error: The kernel command line is invalid: Inserting string"
                        + " would make command line too long.")
            }
        }
        #expect(rig.send(.get, "/vm/config").body.contains("\"xxx"))
    }

    @Test func `What was set is what is told`() throws {
        var rig = Rig()
        let rows: [(HTTPMethod, String, String)] = [
            (.put, "/boot-source", #"{"kernel_image_path":"k","boot_args":"a"}"#),
            (.put, "/machine-config", #"{"vcpu_count":2,"mem_size_mib":256}"#),
            (.patch, "/machine-config", #"{"mem_size_mib":512,"huge_pages":"2M"}"#),
            (.put, "/drives/b", #"{"drive_id":"b","is_root_device":false,"path_on_host":"f"}"#),
            (.put, "/drives/a", #"{"drive_id":"a","is_root_device":true,"path_on_host":"f"}"#),
            (
                .put, "/network-interfaces/n",
                #"{"iface_id":"n","host_dev_name":"t","guest_mac":"06:00:AC:10:00:02","mtu":68}"#
            ),
            (.put, "/pmem/p", #"{"id":"p","path_on_host":"f","read_only":true}"#),
            (.put, "/balloon", #"{"amount_mib":512,"deflate_on_oom":true}"#),
            (.put, "/hotplug/memory", #"{"total_size_mib":256}"#),
            (.put, "/vsock", #"{"guest_cid":3,"uds_path":"v"}"#),
            (.put, "/entropy", "{}"),
            (.put, "/mmds/config", #"{"network_interfaces":["n"],"version":"V2"}"#),
        ]
        for (method, path, body) in rows {
            #expect(rig.send(method, path, body).status == 204, "\(path)")
        }
        let json = try JSONParser.parse(rig.send(.get, "/vm/config").body)
        let config = try VMConfig(json: json)
        #expect(config.drives.map(\.id) == ["a", "b"])
        #expect(config.machine.memorySize == 512)
        #expect(config.machine.vcpuCount == 2)
        #expect(config.networks.first?.guestMAC?.description == "06:00:ac:10:00:02")
        #expect(config.mmds?.address.description == "169.254.169.254")
        #expect(json["pmem"]?.text.contains(#""rate_limiter":null"#) == true)
        #expect(
            rig.send(.get, "/machine-config").body
                == #"{"vcpu_count":2,"mem_size_mib":512,"smt":false,"track_dirty_pages":false,"#
                + #""huge_pages":"2M"}"#)
        #expect(rig.send(.get, "/balloon").body.contains(#""amount_mib":512"#))
        #expect(rig.send(.get, "/version").body == #"{"firecracker_version":"1"}"#)
        #expect(rig.send(.get, "/metrics").body == "numbers")
        // It can be started from the very text.
        rig.start()
        #expect(rig.send(.get, "/vm/config").status == 200)
    }

    @Test(
        arguments: [
            (
                "/drives/b", #"{"drive_id":"b","is_root_device":true,"path_on_host":"f"}"#,
                "Drive config error: A root block device already exists!"
            ),
            (
                "/pmem/p", #"{"id":"p","path_on_host":"f","root_device":true}"#,
                "Pmem config error: Attempt to add pmem as a root device while the root device"
                    + " defined as a block device"
            ),
            (
                "/network-interfaces/m",
                #"{"iface_id":"m","host_dev_name":"t","guest_mac":"06:00:00:00:00:01"}"#,
                "Network config error: The MAC address is already in use: 06:00:00:00:00:01"
            ),
            (
                "/network-interfaces/m", #"{"iface_id":"m","host_dev_name":"tap"}"#,
                "Network config error: Could not create the network device: the host device tap is"
                    + " already in use by n"
            ),
            (
                "/balloon", #"{"amount_mib":129,"deflate_on_oom":true}"#,
                "Balloon config error: Amount of pages requested is too large."
            ),
            (
                "/machine-config", #"{"vcpu_count":1,"mem_size_mib":32}"#,
                "Machine config error: The memory size (MiB) is smaller than the previously set"
                    + " balloon device target size."
            ),
            (
                "/mmds/config", #"{"network_interfaces":[]}"#,
                "MMMDS config error: The list of network interface IDs that allow forwarding MMDS"
                    + " requests is empty."
            ),
            (
                "/mmds/config", #"{"network_interfaces":["n","x"]}"#,
                "MMMDS config error: The list of network interface IDs provided contains at least"
                    + " one ID that does not correspond to any existing network interface."
            ),
            (
                "/mmds/config", #"{"network_interfaces":["n"],"ipv4_address":"10.0.0.1"}"#,
                "MMMDS config error: The MMDS IPv4 address is not link local."
            ),
            (
                "/hotplug/memory", #"{"total_size_mib":128,"block_size_mib":3}"#,
                "Memory hotplug config error: Block size must be a power of 2"
            ),
        ] as [(String, String, String)])
    func `What does not fit together is refused and changes nothing`(
        _ path: String, _ body: String, _ message: String
    ) throws {
        var rig = Rig()
        for (path, body) in [
            ("/drives/a", #"{"drive_id":"a","is_root_device":true,"path_on_host":"f"}"#),
            (
                "/network-interfaces/n",
                #"{"iface_id":"n","host_dev_name":"tap","guest_mac":"06:00:00:00:00:01"}"#
            ),
            ("/balloon", #"{"amount_mib":64,"deflate_on_oom":false}"#),
        ] {
            #expect(rig.send(.put, path, body).status == 204)
        }
        let before = rig.send(.get, "/vm/config").body
        #expect(try rig.fault(.put, path, body) == message)
        #expect(rig.send(.get, "/vm/config").body == before)
    }

    @Test func `A network device that cannot be opened leaves what there was`() throws {
        var rig = Rig(failing: ["attach bad"])
        func body(_ device: String, _ last: Int) -> String {
            #"{"iface_id":"n","host_dev_name":"\#(device)","guest_mac":"06:00:00:00:00:0\#(last)"}"#
        }
        #expect(rig.send(.put, "/network-interfaces/n", body("good", 1)).status == 204)
        let before = rig.send(.get, "/vm/config").body
        #expect(
            try rig.fault(.put, "/network-interfaces/n", body("bad", 2)) == "attach bad failed")
        #expect(rig.send(.get, "/vm/config").body == before)
        // What does not fit is not tried.
        let other = #"{"iface_id":"m","host_dev_name":"b","guest_mac":"06:00:00:00:00:01"}"#
        #expect(rig.send(.put, "/network-interfaces/m", other).status == 400)
        #expect(rig.host.all == ["attach good", "attach bad"])
    }

    @Test func `Devices of a running machine are changed, and the change is told`() throws {
        var rig = Rig()
        _ = rig.send(
            .put, "/drives/a", #"{"drive_id":"a","is_root_device":true,"path_on_host":"f"}"#)
        _ = rig.send(.put, "/network-interfaces/n", #"{"iface_id":"n","host_dev_name":"t"}"#)
        _ = rig.send(
            .put, "/balloon",
            #"{"amount_mib":1,"deflate_on_oom":true,"stats_polling_interval_s":1}"#)
        _ = rig.send(.put, "/hotplug/memory", #"{"total_size_mib":256}"#)
        rig.start()
        let bucket = #"{"ops":{"size":1,"refill_time":2}}"#
        let rows: [(String, String)] = [
            ("/drives/a", #"{"drive_id":"a","path_on_host":"g"}"#),
            ("/drives/a", #"{"drive_id":"a","rate_limiter":\#(bucket)}"#),
            ("/network-interfaces/n", #"{"iface_id":"n","tx_rate_limiter":\#(bucket)}"#),
            ("/balloon", #"{"amount_mib":4}"#),
            ("/balloon/statistics", #"{"stats_polling_interval_s":9}"#),
            ("/hotplug/memory", #"{"requested_size_mib":128}"#),
        ]
        for (path, body) in rows {
            #expect(rig.send(.patch, path, body).status == 204, "\(path) \(body)")
        }
        let config = rig.controller.config
        #expect(config.drives[0].path == "g")
        #expect(config.drives[0].rateLimiter?.ops?.refillTime == 2)
        #expect(config.networks[0].transmitLimiter?.ops?.size == 1)
        #expect(config.balloon?.amount == 4)
        #expect(config.balloon?.statisticsInterval == 9)
        #expect(rig.send(.get, "/balloon/statistics").body == #"{"asked":true}"#)
        #expect(
            rig.send(.get, "/hotplug/memory").body == #"{"asked":true,"slot_size_mib":128}"#)
        let faults: [(HTTPMethod, String, String?, String)] = [
            (.patch, "/drives/x", #"{"drive_id":"x","path_on_host":"g"}"#, "Device not found"),
            (.patch, "/drives/a", #"{"drive_id":"a"}"#, "expected different backend"),
            (.patch, "/balloon", #"{"amount_mib":129}"#, "too large"),
            (
                .patch, "/balloon/statistics", #"{"stats_polling_interval_s":0}"#,
                "cannot be enabled or disabled"
            ),
            (.patch, "/balloon/hinting/start", nil, "was not enabled"),
            (.patch, "/hotplug/memory", #"{"requested_size_mib":257}"#, "a multiple of 2 MiB"),
            (.delete, "/drives/a", nil, "Cannot unplug root device"),
            (.delete, "/network-interfaces/x", nil, "Device not found"),
            (
                .put, "/drives/n", #"{"drive_id":"n","is_root_device":false,"path_on_host":"f"}"#,
                "Device ID in use"
            ),
        ]
        for (method, path, body, message) in faults {
            #expect(try rig.fault(method, path, body).contains(message), "\(method) \(path)")
        }
        #expect(rig.send(.delete, "/network-interfaces/n").status == 204)
        #expect(rig.controller.config.networks.isEmpty)
    }

    @Test func `Metadata are put, merged, told and limited at any time`() throws {
        var rig = Rig(limit: 30)
        #expect(rig.send(.get, "/mmds").body == "{}")
        #expect(try rig.fault(.patch, "/mmds", #"{"a":1}"#).contains("is not initialized"))
        #expect(rig.send(.put, "/mmds", #"{"a":{"b":1,"c":2}}"#).status == 204)
        #expect(rig.send(.patch, "/mmds", #"{"a":{"b":null,"d":3}}"#).status == 204)
        #expect(rig.send(.get, "/mmds").body == #"{"a":{"c":2,"d":3}}"#)
        let long = String(repeating: "x", count: 30)
        for method in [HTTPMethod.put, .patch] {
            let reply = rig.send(method, "/mmds", "{\"a\":\"\(long)\"}")
            #expect(reply.status == 413)
            #expect(reply.body.contains("The MMDS patch request doesn't fit."))
        }
        rig.start()
        #expect(rig.send(.get, "/mmds").body == #"{"a":{"c":2,"d":3}}"#)
        #expect(rig.send(.patch, "/mmds", #"{"a":null}"#).status == 204)
        #expect(rig.send(.get, "/mmds").body == "{}")
    }
}

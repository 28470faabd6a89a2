// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

/// Sizes in MiB that are small, or nothing, once they are bytes or pages in 32 or 64 bits.
@Suite struct MemorySizeTests {
    /// 2^44 MiB are 2^64 bytes, 2^24 MiB are 2^32 pages, 2^12 MiB are 2^32 bytes.
    static let sizes: [UInt64] = [
        UInt64(UInt32.max), 1 << 32, 1 << 32 + 128, 1 << 44, 1 << 44 + 128, 1 << 63, .max,
        1 << 24, 1 << 24 + 128,
    ]

    @Test(arguments: sizes)
    func `Sizes that wrap in bytes are refused, in a file and in each request`(
        _ size: UInt64
    ) throws {
        var rig = Rig()
        let before = rig.send(.get, "/vm/config").body
        let machine = #"{"vcpu_count":1,"mem_size_mib":\#(size)}"#
        let balloon = #"{"amount_mib":\#(size),"deflate_on_oom":true}"#
        for (method, path, body) in [
            (.put, "/machine-config", machine),
            (.patch, "/machine-config", #"{"mem_size_mib":\#(size)}"#),
            (.put, "/balloon", balloon),
        ] as [(HTTPMethod, String, String)] {
            #expect(try rig.fault(method, path, body) != "", "\(method.name) \(path)")
        }
        #expect(rig.send(.get, "/vm/config").body == before)

        let boot = #""boot-source":{"kernel_image_path":"k"}"#
        for more in [
            #""machine-config":\#(machine)"#, #""balloon":\#(balloon)"#,
        ] {
            #expect(throws: JSONError.self, "\(more)") {
                try VMConfig(Array("{\(boot),\(more)}".utf8))
            }
        }

        let small = #"{"amount_mib":64,"deflate_on_oom":true}"#
        #expect(rig.send(.put, "/balloon", small).status == 204)
        #expect(rig.send(.put, "/hotplug/memory", #"{"total_size_mib":128}"#).status == 204)
        rig.start()
        for (path, body) in [
            ("/balloon", #"{"amount_mib":\#(size)}"#),
            ("/hotplug/memory", #"{"requested_size_mib":\#(size)}"#),
        ] {
            #expect(try rig.fault(.patch, path, body) != "", "PATCH \(path)")
        }
        #expect(!rig.host.all.contains("change"))
    }

    /// Blocks of memory to be plugged are counted in 32 bits of MiB; what is more than a machine can
    /// have, it refuses when it starts.
    @Test(arguments: [
        1 << 32, 1 << 32 + 128, 1 << 44, 1 << 44 + 128, .max, UInt64(UInt32.max),
    ])
    func `Blocks that wrap are refused`(_ size: UInt64) throws {
        var rig = Rig()
        for body in [
            #"{"total_size_mib":\#(size)}"#,
            #"{"total_size_mib":128,"block_size_mib":\#(size)}"#,
            #"{"total_size_mib":128,"slot_size_mib":\#(size)}"#,
        ] {
            #expect(try rig.fault(.put, "/hotplug/memory", body) != "", "\(body)")
        }
        #expect(rig.controller.config.memoryHotplug == nil)
    }
}

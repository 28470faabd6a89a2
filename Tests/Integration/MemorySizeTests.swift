// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// Sizes of memory on their way from the API's MiB to a machine's bytes.
@Suite struct MemorySizeTests {
    @Test func `A size that no machine has is refused at its start, and is not small`() throws {
        let monitor = try APIMonitor()
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let client = try monitor.client()
        let start = #"{"action_type":"InstanceStart"}"#
        for (method, path, body, status) in [
            ("PUT", "/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}", 204),
            ("PUT", "/machine-config", #"{"vcpu_count":1,"mem_size_mib":17592186044416}"#, 400),
            ("PUT", "/machine-config", #"{"vcpu_count":1,"mem_size_mib":17592186044544}"#, 400),
            ("PUT", "/machine-config", #"{"vcpu_count":1,"mem_size_mib":4294967424}"#, 400),
            // 2^32 - 128 MiB.
            ("PUT", "/hotplug/memory", #"{"total_size_mib":4294967168}"#, 204),
            ("PUT", "/actions", start, 400),
            ("PUT", "/hotplug/memory", #"{"total_size_mib":65664}"#, 204),
            ("PUT", "/actions", start, 400),
            ("PUT", "/hotplug/memory", #"{"total_size_mib":128}"#, 204),
            ("PUT", "/actions", start, 204),
            ("PATCH", "/hotplug/memory", #"{"requested_size_mib":4294967168}"#, 400),
            ("PATCH", "/hotplug/memory", #"{"requested_size_mib":128}"#, 204),
        ] as [(String, String, String, Int)] {
            let reply = try client.ask(method, path, body)
            #expect(reply.status == status, "\(method) \(path) \(body): \(reply)")
        }
        let plugged = try client.ask("GET", "/hotplug/memory").json
        #expect(plugged["total_size_mib"] as? Int == 128)
        #expect(plugged["requested_size_mib"] as? Int == 128)
        monitor.process.send(SIGTERM)
        #expect(try monitor.process.end(seconds: 30).status == 0)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

/// What can be read and no machine can be: Firecracker's words for it, on a machine without devices.
@Suite struct UnfitTests {
    @Test(
        arguments: [
            (
                "/hotplug/memory", #"{"total_size_mib":192}"#,
                "Memory hotplug config error: Total size must be a multiple of slot size (128 MiB)"
            ),
            (
                "/machine-config", #"{"vcpu_count":33,"mem_size_mib":128}"#,
                "Machine config error: The number of vCPUs must be greater than 0, less than 33 and"
                    + " must be 1 or an even number if SMT is enabled."
            ),
            (
                "/machine-config", #"{"vcpu_count":1,"mem_size_mib":0}"#,
                "Machine config error: The memory size (MiB) is either 0, or not a multiple of the"
                    + " configured page size."
            ),
            (
                "/machine-config", #"{"vcpu_count":1,"mem_size_mib":129,"huge_pages":"2M"}"#,
                "Machine config error: The memory size (MiB) is either 0, or not a multiple of the"
                    + " configured page size."
            ),
            (
                "/machine-config",
                #"{"vcpu_count":1,"mem_size_mib":129,"huge_pages":"Transparent"}"#,
                "Machine config error: The memory size (MiB) is either 0, or not a multiple of the"
                    + " configured page size."
            ),
            (
                "/machine-config", #"{"vcpu_count":1,"mem_size_mib":65537}"#,
                "Machine config error: The memory size (MiB) is 65537; it must be from 2 to 65536."
            ),
            // What cannot be read comes before what no machine can be.
            (
                "/machine-config", #"{"vcpu_count":0,"mem_size_mib":0,"smt":1}"#,
                "An error occurred when deserializing the json body of a request: invalid type:"
                    + " integer `1`, expected a boolean at line 1 column 40, in `smt`."
            ),
            (
                "/machine-config", #"{"vcpu_count":0}"#,
                "An error occurred when deserializing the json body of a request: missing field"
                    + " `mem_size_mib` at line 1 column 16."
            ),
        ] as [(String, String, String)])
    func `What no machine can be is refused, after what cannot be read`(
        _ path: String, _ body: String, _ message: String
    ) throws {
        var rig = Rig()
        let before = rig.send(.get, "/vm/config").body
        #expect(try rig.fault(.put, path, body) == message)
        #expect(rig.send(.get, "/vm/config").body == before)
    }

    @Test(
        arguments: [
            (
                #"{"vcpu_count":0}"#,
                "Machine config error: The number of vCPUs must be greater than 0, less than 33 and"
                    + " must be 1 or an even number if SMT is enabled."
            ),
            (
                #"{"mem_size_mib":1}"#,
                "Machine config error: The memory size (MiB) is 1; it must be from 2 to 65536."
            ),
            (
                #"{"vcpu_count":256}"#,
                "An error occurred when deserializing the json body of a request: invalid value:"
                    + " integer `256`, expected an integer from 1 to 32 at line 1 column 17, in"
                    + " `vcpu_count`."
            ),
        ])
    func `So is a change to it`(_ body: String, _ message: String) throws {
        var rig = Rig()
        #expect(try rig.fault(.patch, "/machine-config", body) == message)
    }
}

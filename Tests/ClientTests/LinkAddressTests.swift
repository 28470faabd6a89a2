// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Client

@Suite struct LinkAddressTests {
    @Test(arguments: [
        ("swiftlet0", "172.30.0.1", "06:00:ac:1e:00:02"),
        ("swiftlet1", "172.30.0.5", "06:00:ac:1e:00:06"),
        ("swiftlet63", "172.30.0.253", "06:00:ac:1e:00:fe"),
        ("swiftlet64", "172.30.1.1", "06:00:ac:1e:01:02"),
        ("swiftlet16383", "172.30.255.253", "06:00:ac:1e:ff:fe"),
    ])
    func `Each link has addresses of its own`(_ name: String, _ host: String, _ mac: String) throws
    {
        let addresses = try #require(LinkAddresses(interface: name))
        #expect(addresses.host4.map { String($0) }.joined(separator: ".") == host)
        #expect(addresses.guestMAC == mac)
    }

    @Test(arguments: ["swiftlet", "swiftlet16384", "swiftlet99999999999999999999"])
    func `A number too high has none`(_ name: String) {
        #expect(LinkAddresses(interface: name) == nil)
    }

    @Test func `The agent is told both ends, twice`() {
        #expect(
            LinkAddresses(interface: "swiftlet300")?.kernelWord
                == "swiftlet.net=172.30.4.178/30,172.30.4.177,"
                + "fd73:7769:6674:12c:0:0:0:2/64,fd73:7769:6674:12c:0:0:0:1")
    }
}

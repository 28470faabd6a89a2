// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Network interfaces of the host, by name.
package enum NetworkInterface {
    /// Longest name in bytes.
    package static var nameLimit: Int { Int(CLINUX_INTERFACE_NAME) - 1 }

    /// True if an interface may be called so. The kernel allows more; shells and files do not.
    package static func isName(_ name: String) -> Bool {
        guard (1...nameLimit).contains(name.utf8.count), name != ".", name != ".." else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
            default: false
            }
        }
    }

    package static func exists(_ name: String) -> Bool {
        unsafe clinux_interface_index(name) > 0
    }

    /// Largest packet in bytes.
    package static func mtu(of name: String) throws(Errno) -> Int {
        Int(try Errno.check(unsafe clinux_interface_mtu(name)))
    }

    package static func setMTU(of name: String, to mtu: Int) throws(Errno) {
        try Errno.check(unsafe clinux_interface_set_mtu(name, CInt(clamping: mtu)))
    }

    /// Lets it send and receive.
    package static func bringUp(_ name: String) throws(Errno) {
        try Errno.check(unsafe clinux_interface_up(name))
    }

    /// Adds an address of 4 (IPv4) or 16 bytes (IPv6) and the network of `prefix` bits around it.
    package static func add(
        _ address: [UInt8], prefix: Int, to name: String
    ) throws(Errno) {
        let count = CInt(clamping: address.count)
        try Errno.check(
            unsafe clinux_interface_add_address(name, address, count, CInt(clamping: prefix)))
    }
}

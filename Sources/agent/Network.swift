// SPDX-License-Identifier: Apache-2.0
import CGuest

/// The guest's first network interface, as the host wants it.
enum Network {
    private static var interface: String { "eth0" }

    /// Obeys the word `swiftlet.net=ADDRESS/PREFIX,GATEWAY[,…]` of the kernel's command line:
    /// addresses, each with the router to everywhere behind it, or nothing for none.
    static func configure() {
        guard let line = contents(of: "/proc/cmdline") else { return }
        let key = Array("swiftlet.net=".utf8)
        for word in line.split(whereSeparator: { $0 <= UInt8(ascii: " ") })
        where word.starts(with: key) {
            apply(word.dropFirst(key.count))
        }
    }

    private static func apply(_ list: ArraySlice<UInt8>) {
        // Nobody else is on the link: no need to wait for whoever has the address already.
        let noQuestions = "/proc/sys/net/ipv6/conf/\(interface)/accept_dad"
        if let file = Descriptor(guest_open(Strings(noQuestions).bytes.span, 1)) {
            _ = file.write([UInt8(ascii: "0")], 0..<1)
        }
        _ = guest_bring_up_interface(Strings(interface).bytes.span)
        let items = list.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        for (index, item) in items.enumerated() where !item.isEmpty {
            let isAddress = index & 1 == 0
            let result = isAddress ? addAddress(item) : addGateway(item)
            if result < 0 { Setup.report("swiftlet-agent: network: error \(-result)") }
        }
    }

    private static func addAddress(_ item: ArraySlice<UInt8>) -> Int32 {
        let parts = item.split(separator: UInt8(ascii: "/"))
        guard parts.count == 2, let prefix = number(parts[1]) else { return -22 }
        var strings = Strings(interface)
        strings.append(parts[0])
        return guest_add_address(strings.bytes.span, prefix)
    }

    private static func addGateway(_ item: ArraySlice<UInt8>) -> Int32 {
        var strings = Strings(interface)
        strings.append(item)
        return guest_add_gateway(strings.bytes.span)
    }

    /// A whole number of at most three digits.
    private static func number(_ digits: ArraySlice<UInt8>) -> Int32? {
        guard (1...3).contains(digits.count) else { return nil }
        var value: Int32 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int32(digit - UInt8(ascii: "0"))
        }
        return value
    }
}

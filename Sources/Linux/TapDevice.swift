// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// The host's end of a guest's network link: a TAP interface whose frames we read and write.
///
/// Every frame has a virtio-net header of 12 bytes before it. Reads and writes never wait. An
/// interface that we made goes with its last descriptor.
package struct TapDevice: ~Copyable, Sendable {
    /// What the kernel may hand over unfinished, to be finished by the guest. `TUN_F_*`.
    package struct Offloads: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static var checksum: Self { Self(rawValue: CLINUX_TAP_CHECKSUM) }
        /// TCP segments over IPv4, over IPv6, and such with congestion marks.
        package static var tso4: Self { Self(rawValue: CLINUX_TAP_TSO4) }
        package static var tso6: Self { Self(rawValue: CLINUX_TAP_TSO6) }
        package static var ecn: Self { Self(rawValue: CLINUX_TAP_ECN) }
        /// UDP datagrams to be fragmented, and to be split into datagrams.
        package static var ufo: Self { Self(rawValue: CLINUX_TAP_UFO) }
        package static var uso4: Self { Self(rawValue: CLINUX_TAP_USO4) }
        package static var uso6: Self { Self(rawValue: CLINUX_TAP_USO6) }
    }

    /// Bytes before each frame.
    package static var headerSize: Int { 12 }
    /// Most queues of one device here.
    package static var queueLimit: Int { 3 }

    /// The interface's name.
    package let name: String
    /// What this kernel can do.
    package let offloads: Offloads
    /// How many queues it has, 1 to ``queueLimit``.
    package let queueCount: Int
    private let queues: Queues
    private let isInterface: Bool

    /// The descriptors; those that are not there are -1.
    private struct Queues: ~Copyable {
        var first: FileDescriptor
        var second = FileDescriptor(adopting: -1)
        var third = FileDescriptor(adopting: -1)

        init(_ first: consuming FileDescriptor) { self.first = first }

        init(_ first: consuming FileDescriptor, _ second: consuming FileDescriptor) {
            self.first = first
            self.second = second
        }
    }

    /// Opens the interface called `name`, which exists, with as many queues as it may have, at most
    /// `queues`.
    package init(opening name: String, queues: Int = 1) throws(TapError) {
        guard NetworkInterface.isName(name) else { throw .name(name) }
        guard NetworkInterface.exists(name) else { throw .absent(name) }
        try self.init(attaching: name, queues: queues)
    }

    /// Makes a new interface. `pattern` is its name with `%d` for a number of the kernel's choice.
    package init(creating pattern: String, queues: Int = 1) throws(TapError) {
        guard pattern.hasSuffix("%d"), NetworkInterface.isName(String(pattern.dropLast(2)) + "999")
        else { throw .name(pattern) }
        try self.init(attaching: pattern, queues: queues)
    }

    /// Takes over a descriptor of /dev/net/tun that somebody has attached to a TAP interface with
    /// virtio-net headers. One that is something else stays as it is, and whose it is.
    package init(adopting number: CInt) throws(TapError) {
        let (name, offloads) = try Self.examine(number)
        self.name = name
        self.offloads = offloads
        queueCount = 1
        queues = Queues(FileDescriptor(adopting: number))
        isInterface = true
    }

    /// Stands in for an interface of two queues: each message of a socket is a header and a frame.
    package init(
        sockets first: consuming FileDescriptor, _ second: consuming FileDescriptor
    ) {
        name = "socket"
        offloads = [.checksum, .tso4, .tso6, .ecn, .ufo, .uso4, .uso6]
        queueCount = 2
        queues = Queues(first, second)
        isInterface = false
    }

    /// Stands in for an interface of one queue.
    package init(socket: consuming FileDescriptor) {
        name = "socket"
        offloads = [.checksum, .tso4, .tso6, .ecn, .ufo, .uso4, .uso6]
        queueCount = 1
        queues = Queues(socket)
        isInterface = false
    }

    private init(attaching pattern: String, queues wanted: Int) throws(TapError) {
        var name = pattern
        var count = min(max(wanted, 1), Self.queueLimit)
        let queues = try Self.attachAll(&name, &count)
        offloads = try Self.prepare(queues.first.rawValue, name)
        self.name = name
        queueCount = count
        self.queues = queues
        isInterface = true
    }

    private static func examine(_ raw: CInt) throws(TapError) -> (String, Offloads) {
        var name = [CChar](repeating: 0, count: Int(CLINUX_INTERFACE_NAME))
        let flags = unsafe clinux_tap_describe(raw, &name)
        let wanted = CLINUX_TAP_IS_TAP | CLINUX_TAP_HAS_HEADER | CLINUX_TAP_NO_INFORMATION
        guard flags >= 0, flags & wanted == wanted else { throw .descriptor(raw) }
        return (text(name), try prepare(raw, text(name)))
    }

    /// Attaches `count` queues, or one to an interface that was made for one only.
    private static func attachAll(
        _ name: inout String, _ count: inout Int
    ) throws(TapError) -> Queues {
        var queues = Queues(try attachFirst(&name, &count))
        if count > 1 { queues.second = try attachNext(&name) }
        if count > 2 { queues.third = try attachNext(&name) }
        return queues
    }

    /// An interface is made for one queue or for many, and can be opened only as it was made.
    private static func attachFirst(
        _ name: inout String, _ count: inout Int
    ) throws(TapError) -> FileDescriptor {
        do throws(TapError) {
            return try attach(&name, hasMany: count > 1)
        } catch {
            guard case .host(_, .invalid) = error else { throw error }
        }
        let other = try attach(&name, hasMany: count == 1)
        count = 1
        return other
    }

    private static func attachNext(_ name: inout String) throws(TapError) -> FileDescriptor {
        let next = try attach(&name, hasMany: true)
        _ = try prepare(next.rawValue, name)
        return next
    }

    private static func attach(
        _ name: inout String, hasMany: Bool
    ) throws(TapError) -> FileDescriptor {
        let file: FileDescriptor
        do throws(Errno) {
            file = try FileDescriptor.open("/dev/net/tun", flags: O_RDWR | O_NONBLOCK)
        } catch {
            throw .noTun(error)
        }
        var bytes = Array(name.utf8CString)
        bytes += [CChar](repeating: 0, count: Int(CLINUX_INTERFACE_NAME) + 1 - bytes.count)
        let result = unsafe clinux_tap_attach(file.rawValue, &bytes, hasMany ? 1 : 0)
        guard result >= 0 else { throw .host(name, Errno(rawValue: -result)) }
        name = text(bytes)
        return file
    }

    /// Sets a queue up; answers what can be offloaded.
    private static func prepare(_ raw: CInt, _ name: String) throws(TapError) -> Offloads {
        do throws(Errno) {
            try Errno.check(clinux_tap_set_header_size(raw, CInt(headerSize)))
            let flags = try Errno.check(clinux_fcntl(raw, F_GETFL, 0))
            try Errno.check(clinux_fcntl(raw, F_SETFL, Int(flags | O_NONBLOCK)))
        } catch {
            throw .host(name, error)
        }
        // A kernel takes all that it knows, or nothing.
        let tcp: Offloads = [.checksum, .tso4, .tso6, .ecn]
        for offloads in [tcp.union([.ufo, .uso4, .uso6]), tcp.union(.ufo), tcp, .checksum]
        where clinux_tap_set_offloads(raw, offloads.rawValue) == 0 {
            _ = clinux_tap_set_offloads(raw, 0)
            return offloads
        }
        return []
    }

    private static func text(_ name: [CChar]) -> String {
        String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    // MARK: Queues

    /// The descriptor of queue `index`; -1 if there is none.
    package func descriptor(_ index: Int) -> CInt {
        switch index {
        case 0: queues.first.rawValue
        case 1: queues.second.rawValue
        case 2: queues.third.rawValue
        default: -1
        }
    }

    /// Gives the descriptor of a device with one queue to the caller.
    package consuming func release() -> FileDescriptor { queues.first }

    /// Says what the kernel may leave unfinished from now on.
    package func setOffloads(_ wanted: Offloads) {
        guard isInterface else { return }
        _ = clinux_tap_set_offloads(
            queues.first.rawValue, wanted.intersection(offloads).rawValue)
    }

    /// Lets the kernel give frames to queue `index`, or not; nothing happens for the only one.
    package func setQueue(_ index: Int, enabled: Bool) throws(Errno) {
        guard isInterface, queueCount > 1 else { return }
        let result = clinux_tap_enable_queue(descriptor(index), enabled ? 1 : 0)
        // It is as it should be already.
        guard result != -EINVAL else { return }
        try Errno.check(result)
    }
}

/// Why a TAP device cannot be used.
package enum TapError: Error, Hashable, Sendable {
    /// No interface can have this name.
    case name(String)
    /// There is no interface of this name.
    case absent(String)
    /// /dev/net/tun cannot be opened.
    case noTun(Errno)
    /// The kernel refused this interface.
    case host(String, Errno)
    /// A descriptor that was given is no TAP interface with virtio-net headers.
    case descriptor(CInt)
}

extension TapError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .name(let name):
            "'\(name)' is no name of a network interface: 1 to 15 letters, digits, '.', '_' or '-'"
        case .absent(let name):
            "there is no network interface '\(name)'; make it: ip tuntap add dev \(name) mode tap"
        case .noTun(let error): "/dev/net/tun cannot be opened: \(error)"
        case .host(let name, let error):
            "the interface '\(name)' cannot be used as a TAP device: \(error)"
        case .descriptor(let number):
            "descriptor \(number) is no TAP interface with virtio-net headers"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Linux

/// The policies of this checkout.
enum PolicyFile {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func policy(_ role: ThreadRole) throws -> SeccompPolicy {
        let file = root.appending(path: "Policy/\(role.rawValue).policy")
        return try SeccompPolicy(String(contentsOf: file, encoding: .utf8))
    }

    /// The words of the filter that the monitor is built with.
    static func built(_ role: ThreadRole) throws -> [UInt64] {
        let text = try String(
            contentsOf: root.appending(path: "Sources/vmm/SeccompFilters.swift"), encoding: .utf8)
        let start = try #require(text.range(of: "static let \(role.rawValue): [UInt64] = ["))
        let end = try #require(text.range(of: "]", range: start.upperBound..<text.endIndex))
        return text[start.upperBound..<end.lowerBound].matches(of: #/0x([0-9a-f]+)/#)
            .compactMap { UInt64($0.1, radix: 16) }
    }
}

@Suite struct PolicyFileTests {
    @Test(arguments: ThreadRole.allCases)
    func `The monitor is built with what the policy says`(_ role: ThreadRole) throws {
        let compiled = try PolicyFile.policy(role).compiled()
        #expect(try PolicyFile.built(role) == compiled.instructions, "run 'make policy'")
    }

    /// Firecracker's counts, which are the limit.
    @Test(arguments: [(ThreadRole.vcpu, 27), (.loop, 50), (.api, 50), (.device, 31), (.worker, 27)])
    func `A role has few system calls`(_ role: ThreadRole, _ limit: Int) throws {
        #expect(try PolicyFile.policy(role).calls.count <= limit)
    }

    /// Whatever else a policy allows, these are what one who has broken out would ask for.
    static let acts: [(String, FilterMachine)] = [
        ("run a program", FilterMachine(number: 59)),
        ("run a program by descriptor", FilterMachine(number: 322)),
        ("make a process", FilterMachine(number: 57)),
        ("make a process with vfork", FilterMachine(number: 58)),
        ("make a process with clone", FilterMachine(number: 56, arguments: [17, 0, 0, 0, 0, 0])),
        ("look into a process", FilterMachine(number: 101)),
        ("read another's memory", FilterMachine(number: 310)),
        ("kill", FilterMachine(number: 62, arguments: [1, 9, 0, 0, 0, 0])),
        ("a thread killed", FilterMachine(number: 234, arguments: [1, 1, 9, 0, 0, 0])),
        ("mount", FilterMachine(number: 165)),
        ("open_tree", FilterMachine(number: 428)),
        ("change a name", FilterMachine(number: 82)),
        ("open by handle", FilterMachine(number: 304)),
        ("a namespace", FilterMachine(number: 272, arguments: [0x1000_0000, 0, 0, 0, 0, 0])),
        ("enter a namespace", FilterMachine(number: 308)),
        ("bpf", FilterMachine(number: 321)),
        ("perf", FilterMachine(number: 298)),
        ("userfaultfd", FilterMachine(number: 323)),
        ("a key", FilterMachine(number: 248)),
        ("a module", FilterMachine(number: 313)),
        ("reboot", FilterMachine(number: 169)),
        ("a user", FilterMachine(number: 105)),
        ("capabilities", FilterMachine(number: 126)),
        ("an internet socket", FilterMachine(number: 41, arguments: [2, 0x80801, 0, 0, 0, 0])),
        ("a netlink socket", FilterMachine(number: 41, arguments: [16, 0x80801, 0, 0, 0, 0])),
        ("executable memory", FilterMachine(number: 9, arguments: [0, 4096, 7, 0x22, 0, 0])),
        ("a mapping over another", FilterMachine(number: 9, arguments: [0, 4096, 3, 0x32, 0, 0])),
        ("memory made executable", FilterMachine(number: 10, arguments: [0, 4096, 5, 0, 0, 0])),
        ("memory with a key", FilterMachine(number: 329, arguments: [0, 4096, 5, 0, 0, 0])),
        ("a KVM machine", FilterMachine(number: 16, arguments: [3, 0xae01, 0, 0, 0, 0])),
        ("a character typed", FilterMachine(number: 16, arguments: [0, 0x5412, 0, 0, 0, 0])),
        ("a shared futex", FilterMachine(number: 202, arguments: [0, 1, 0, 0, 0, 0])),
        ("a signal handler", FilterMachine(number: 13, arguments: [11, 0, 0, 0, 0, 0])),
    ]

    /// What the thread that makes the machine does before there is a guest.
    static let setup: Set<String> = [
        "change a name", "capabilities", "a KVM machine", "a character typed", "a signal handler",
        "a mapping over another",
    ]

    @Test(arguments: ThreadRole.allCases)
    func `No role may do what an intruder wants`(_ role: ThreadRole) throws {
        let filter = try PolicyFile.policy(role).compiled()
        for (act, call) in Self.acts where role != .setup || !Self.setup.contains(act) {
            #expect(call.run(filter) == .trapped, "\(act)")
        }
    }

    /// Its threads have its filter besides their own.
    @Test func `Before the start all is allowed that any role may do after it`() throws {
        let calls = Set(try PolicyFile.policy(.setup).calls)
        for role in [ThreadRole.vcpu, .device, .api] {
            let missing = Set(try PolicyFile.policy(role).calls).subtracting(calls)
            #expect(missing.isEmpty, "\(role): \(missing)")
        }
    }

    /// SIGSTOP, a debugger and a control group's freezer break waits. Those that are to last a time,
    /// and poll(2), the kernel goes on with by a call of its own. A device's thread has none of them:
    /// epoll_wait(2) is broken off.
    @Test(arguments: ThreadRole.allCases)
    func `Whoever is stopped goes on`(_ role: ThreadRole) throws {
        let filter = try PolicyFile.policy(role).compiled()
        let isAllowed = FilterMachine(number: 219).run(filter) == .allowed
        #expect(isAllowed == (role != .device))
    }

    /// A host whose TSC has turned out to be wrong reads its clock by a call.
    @Test(arguments: ThreadRole.allCases)
    func `The host's clock may be any`(_ role: ThreadRole) throws {
        let filter = try PolicyFile.policy(role).compiled()
        #expect(FilterMachine(number: 228, arguments: [1, 0, 0, 0, 0, 0]).run(filter) == .allowed)
    }

    /// A crash ends the process, whatever the thread, and its terminal is cooked again. Nothing is
    /// asked for that a signal of one's own takes.
    @Test(arguments: ThreadRole.allCases)
    func `Any thread may end the process, and send it no signal`(_ role: ThreadRole) throws {
        let filter = try PolicyFile.policy(role).compiled()
        for call in [
            FilterMachine(number: 13, arguments: [22, 0, 0, 0, 0, 0]),
            FilterMachine(number: 16, arguments: [0, 0x5403, 0, 0, 0, 0]),
            FilterMachine(number: 1, arguments: [2, 0, 0, 0, 0, 0]), FilterMachine(number: 231),
        ] { #expect(call.run(filter) == .allowed) }
        #expect(FilterMachine(number: 234, arguments: [1, 1, 6, 0, 0, 0]).run(filter) == .trapped)
    }

    /// With an API its thread is the loop's, and devices ask of it the same. Signals come to another.
    @Test func `The API's thread may do all that the loop's may but for signals`() throws {
        func rules(_ role: ThreadRole) throws -> Set<String> {
            let rules = try PolicyFile.policy(role).rules.filter {
                !["setitimer", "rt_sigprocmask", "rt_sigreturn"].contains($0.name)
            }
            return Set(rules.map { "\($0.name) \($0.checks)" })
        }
        let missing = try rules(.loop).subtracting(rules(.api))
        #expect(missing.isEmpty)
    }

    /// A turn may not be enough for a device that a processor's thread serves: the loop does the rest.
    @Test(arguments: [ThreadRole.vcpu, .loop, .api])
    func `Whoever serves the memory device plugs and gives back`(_ role: ThreadRole) throws {
        let filter = try PolicyFile.policy(role).compiled()
        let plug = FilterMachine(number: 16, arguments: [5, 0x4020_ae46, 0, 0, 0, 0])
        #expect(plug.run(filter) == .allowed)
        let giveBack = FilterMachine(number: 285, arguments: [5, 3, 0, 4096, 0, 0])
        #expect(giveBack.run(filter) == .allowed)
    }

    /// `PATCH /drives` opens another one, or looks again how large a block device is.
    @Test func `The API's thread finds out how large a disk is`() throws {
        let filter = try PolicyFile.policy(.api).compiled()
        for number in [257, 262, 8] as [UInt32] {
            #expect(FilterMachine(number: number).run(filter) == .allowed, "\(number)")
        }
    }

    /// A guest that resets a drive waits on a processor's thread for what is under way.
    @Test func `A processor's thread waits for requests and makes none`() throws {
        let filter = try PolicyFile.policy(.vcpu).compiled()
        let enter = { (count: UInt64) in
            FilterMachine(number: 426, arguments: [5, count, 1, 1, 0, 0]).run(filter)
        }
        #expect(enter(0) == .allowed)
        #expect(enter(1) == .trapped)
        #expect(FilterMachine(number: 3, arguments: [5, 0, 0, 0, 0, 0]).run(filter) == .trapped)
    }

    /// Only the API's thread opens files while the guest runs, and it makes none.
    @Test(arguments: ThreadRole.allCases)
    func `No role opens files while the guest runs but the API's`(_ role: ThreadRole) throws {
        let filter = try PolicyFile.policy(role).compiled()
        let open = { (flags: UInt64) in
            FilterMachine(number: 257, arguments: [0xffff_ff9c, 0, flags, 0, 0, 0]).run(filter)
        }
        let mayOpen = role == .api || role == .setup
        #expect(open(0x80002) == (mayOpen ? .allowed : .trapped))
        #expect(open(0x80042) == (role == .setup ? .allowed : .trapped))
    }
}

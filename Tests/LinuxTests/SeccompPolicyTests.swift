// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Linux

@Suite struct SeccompPolicyTests {
    struct Call: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let number: UInt32
        let arguments: [UInt64]
        let isAllowed: Bool

        init(_ description: String, _ number: UInt32, _ arguments: [UInt64], _ isAllowed: Bool) {
            testDescription = description
            self.number = number
            self.arguments = arguments + Array(repeating: 0, count: 6 - arguments.count)
            self.isAllowed = isAllowed
        }
    }

    /// One rule of each kind, with alternatives.
    static let policy = """
        # A comment.
        read                                             ; anything
        ioctl   int1 in TCGETS 0xae80                    ; two requests
        ioctl   int1 == 7, long2 == 0x100000000          ; and a third with one argument
        mmap    long2 only PROT_READ|PROT_WRITE, long3 never MAP_FIXED ; data
        socket  int0 == AF_UNIX, int1 has SOCK_CLOEXEC   ; local ones
        lseek   long1 in 0 0xffffffffffffffff 5          ; long values
        """

    static let calls = [
        Call("a call without checks", 0, [1, 2, 3], true),
        Call("a call that is not there", 1, [], false),
        Call("the first value of a list", 16, [3, 0x5401], true),
        Call("the last value of a list", 16, [3, 0xae80], true),
        Call("a value that is not in the list", 16, [3, 0xae81], false),
        Call("an int with something above its 32 bits", 16, [3, 0xdead_0000_5401], true),
        Call("an alternative", 16, [3, 7, 0x1_0000_0000], true),
        Call("an alternative with its low half right", 16, [3, 7, 0], false),
        Call("an alternative with its high half right", 16, [3, 7, 0x1_0000_0001], false),
        Call("bits that are allowed", 9, [0, 4096, 3, 0x22], true),
        Call("fewer bits", 9, [0, 4096, 0, 0], true),
        Call("one bit too many", 9, [0, 4096, 7, 0x22], false),
        Call("one bit too many above 32", 9, [0, 4096, 0x1_0000_0003, 0x22], false),
        Call("a bit that must not be", 9, [0, 4096, 3, 0x32], false),
        Call("a bit that must be", 41, [1, 0x80001], true),
        Call("a bit that must be and is not", 41, [1, 1], false),
        Call("another family", 41, [2, 0x80001], false),
        Call("a long value: zero", 8, [0, 0], true),
        Call("a long value: all ones", 8, [0, .max], true),
        Call("a long value: the last", 8, [0, 5], true),
        Call("a long value: half of it", 8, [0, 0xffff_ffff], false),
        Call("a long value: the other half", 8, [0, 0xffff_ffff_0000_0000], false),
        Call("a number of x32", 0x4000_0000, [], false),
        Call("the number -1", .max, [], false),
    ]

    @Test(arguments: calls)
    func `A filter allows what its policy says`(_ call: Call) throws {
        let filter = try SeccompPolicy(Self.policy).compiled()
        let answer = FilterMachine(number: call.number, arguments: call.arguments).run(filter)
        let isX32 = call.number >= 0x4000_0000
        #expect(answer == (call.isAllowed ? .allowed : isX32 ? .killed : .trapped))
    }

    @Test func `A call of another architecture kills`() throws {
        let filter = try SeccompPolicy(Self.policy).compiled()
        #expect(FilterMachine(architecture: 0x4000_0003).run(filter) == .killed)
    }

    @Test(
        arguments: [
            ("read", .noReason("read")),
            ("read ;", .noReason("read ;")),
            (" ; why", .noCall(" ; why")),
            ("reed ; typing", .unknownCall("reed")),
            ("ioctl int1 == KVM_JUMP ; x", .unknownConstant("KVM_JUMP")),
            ("ioctl int1 = 5 ; x", .badCheck("int1 = 5")),
            ("ioctl int6 == 5 ; x", .badCheck("int6 == 5")),
            ("ioctl short1 == 5 ; x", .badCheck("short1 == 5")),
            ("ioctl int1 == ; x", .badCheck("int1 ==")),
            ("ioctl int1 == 5 6 ; x", .badCheck("int1 == 5 6")),
            ("ioctl int1 == 0x1ffffffffffffffff ; x", .unknownConstant("0x1ffffffffffffffff")),
            ("read ; x\nread int0 == 1 ; y", .redundant("read")),
            ("read ; x\nread ; y", .redundant("read")),
            ("# nothing", .noRules),
            (
                "ioctl int1 in " + (0...40).map(String.init).joined(separator: " ") + " ; x",
                .tooManyValues("ioctl")
            ),
        ] as [(String, SeccompPolicyError)])
    func `A bad line is refused`(_ text: String, _ error: SeccompPolicyError) {
        #expect(throws: error) { _ = try SeccompPolicy(text) }
    }

    @Test(
        arguments: [
            ("read ; x", .missingSection("vcpu")),
            ("[vcpu]\nread ; x", .missingSection("loop")),
            ("[vcpu]\nread ; x\n[loop]\nread ; x\n[device]", .missingSection("device")),
            ("[vcpu]\nread ; x\n[thread]\nread ; x", .unknownSection("thread")),
        ] as [(String, SeccompPolicyError)])
    func `A file that lacks a role is refused`(_ text: String, _ error: SeccompPolicyError) {
        #expect(throws: error) { _ = try SeccompPolicy.sections(text) }
    }

    /// Calls are looked for in a tree: each must be found there, and what lies between them must not.
    @Test(arguments: [1, 2, 5, 6, 11, 12, 40])
    func `Of any number of calls each is found, and no other`(_ count: Int) throws {
        let all = """
            read open stat poll mmap brk ioctl writev pipe dup nanosleep getpid socket accept sendto \
            recvmsg bind clone execve wait4 uname shmdt fcntl fsync getdents chdir mkdir link readlink \
            chown umask getuid ptrace setuid getppid setsid statfs prctl mount gettid
            """.split(separator: " ").map(String.init)
        // Not in the order of their numbers, every third with a check.
        let names = all.prefix(count).reversed()
        let lines = names.enumerated().map { index, name in
            name + (index % 3 == 1 ? " int0 == 7 ; x" : " ; x")
        }
        let policy = try SeccompPolicy(lines.joined(separator: "\n"))
        let filter = try policy.compiled()
        let free = Set(policy.rules.filter(\.checks.isEmpty).map(\.number))
        let checked = Set(policy.rules.map(\.number)).subtracting(free)
        #expect(free.count + checked.count == count)
        for number in 0..<500 {
            var call = FilterMachine(number: UInt32(number))
            #expect(call.run(filter) == (free.contains(number) ? .allowed : .trapped))
            call.arguments[0] = 7
            let isAllowed = free.contains(number) || checked.contains(number)
            #expect(call.run(filter) == (isAllowed ? .allowed : .trapped))
        }
    }

    @Test func `A very long policy still compiles, and one that is longer is refused`() throws {
        let line = "ioctl int1 in " + (1...40).map(String.init).joined(separator: " ") + " ; x\n"
        let filter = try SeccompPolicy(String(repeating: line, count: 90)).compiled()
        #expect(FilterMachine(number: 16, arguments: [0, 40, 0, 0, 0, 0]).run(filter) == .allowed)
        #expect(FilterMachine(number: 16, arguments: [0, 41, 0, 0, 0, 0]).run(filter) == .trapped)
        #expect(FilterMachine(number: 17).run(filter) == .trapped)
        let policy = try SeccompPolicy(String(repeating: line, count: 100))
        #expect(throws: SeccompPolicyError.self) { _ = try policy.compiled() }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Emulator

@Suite struct CPUIDTests {
    static let cpuid = CPUID(processorCount: 4, apicID: 2)

    static func text(_ words: [UInt32]) -> String {
        let bytes = words.flatMap { word in (0..<4).map { UInt8(word >> ($0 * 8) & 0xff) } }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    @Test func `The vendor, the hypervisor and the brand have names`() {
        let vendor = Self.cpuid.leaf(0, 0)
        #expect(Self.text([vendor.ebx, vendor.edx, vendor.ecx]) == "AuthenticAMD")
        let hypervisor = Self.cpuid.leaf(0x4000_0000, 0)
        #expect(Self.text([hypervisor.ebx, hypervisor.ecx, hypervisor.edx]) == "KVMKVMKVM")
        let brand = (2...4).flatMap { part in
            let leaf = Self.cpuid.leaf(0x8000_0000 + UInt32(part), 0)
            return [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]
        }
        #expect(Self.text(brand) == "Swiftlet software processor (x86-64-v2)")
    }

    /// Bits of leaf 1 ECX and EDX, 7 EBX, and 80000001 ECX and EDX.
    @Test(
        arguments: [
            ("SSE3", 1, "ecx", 0, true), ("PCLMULQDQ", 1, "ecx", 1, false),
            ("SSSE3", 1, "ecx", 9, true), ("FMA", 1, "ecx", 12, false),
            ("CMPXCHG16B", 1, "ecx", 13, true), ("PCID", 1, "ecx", 17, false),
            ("SSE4.1", 1, "ecx", 19, true), ("SSE4.2", 1, "ecx", 20, true),
            ("MOVBE", 1, "ecx", 22, false), ("POPCNT", 1, "ecx", 23, true),
            ("TSC deadline", 1, "ecx", 24, true), ("AES", 1, "ecx", 25, false),
            ("XSAVE", 1, "ecx", 26, true), ("OSXSAVE", 1, "ecx", 27, false),
            ("AVX", 1, "ecx", 28, false), ("RDRAND", 1, "ecx", 30, false),
            ("SYSENTER", 1, "edx", 11, true), ("SSE2", 1, "edx", 26, true),
            ("FSGSBASE", 7, "ebx", 0, true), ("BMI1", 7, "ebx", 3, false),
            ("SMEP", 7, "ebx", 7, true), ("SMAP", 7, "ebx", 20, true),
            ("LAHF", 0x8000_0001, "ecx", 0, true), ("SVM", 0x8000_0001, "ecx", 2, false),
            ("LZCNT", 0x8000_0001, "ecx", 5, false), ("SYSCALL", 0x8000_0001, "edx", 11, true),
            ("NX", 0x8000_0001, "edx", 20, true), ("1 GiB pages", 0x8000_0001, "edx", 26, true),
            ("long mode", 0x8000_0001, "edx", 29, true), ("3DNow", 0x8000_0001, "edx", 31, false),
            ("invariant TSC", 0x8000_0007, "edx", 8, true),
        ] as [(String, UInt32, String, UInt32, Bool)])
    func `It offers what it has`(
        _ name: String, _ number: UInt32, _ register: String, _ bit: UInt32, _ offered: Bool
    ) {
        let leaf = Self.cpuid.leaf(number, 0)
        let value = register == "ecx" ? leaf.ecx : register == "edx" ? leaf.edx : leaf.ebx
        #expect((value >> bit & 1 != 0) == offered, "\(name)")
    }

    @Test(
        arguments: [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (32, 5)] as [(UInt32, UInt32)])
    func `The topology has one thread a core`(_ count: UInt32, _ bits: UInt32) {
        let cpuid = CPUID(processorCount: count, apicID: count - 1)
        #expect(cpuid.leaf(0x0b, 0) == CPUID.Leaf(eax: 0, ebx: 1, ecx: 0x100, edx: count - 1))
        #expect(
            cpuid.leaf(0x0b, 1) == CPUID.Leaf(eax: bits, ebx: count, ecx: 0x201, edx: count - 1))
        #expect(cpuid.leaf(0x8000_0008, 0).ecx == bits << 12 | (count - 1))
        #expect(cpuid.leaf(1, 0).ebx >> 24 == count - 1)
        #expect((cpuid.leaf(1, 0).edx >> 28 & 1 != 0) == (count > 1))
    }

    @Test func `Two threads of a core share what is the core's`() {
        let cpuid = CPUID(processorCount: 4, threadsPerCore: 2, apicID: 3)
        #expect(cpuid.leaf(0x0b, 0) == CPUID.Leaf(eax: 1, ebx: 2, ecx: 0x100, edx: 3))
        #expect(cpuid.leaf(0x0b, 1) == CPUID.Leaf(eax: 2, ebx: 4, ecx: 0x201, edx: 3))
        #expect(cpuid.leaf(0x8000_001d, 2).eax >> 14 & 0xfff == 1)
        #expect(cpuid.leaf(0x8000_001d, 3).eax >> 14 & 0xfff == 3)
        // The second core, of two threads.
        #expect(cpuid.leaf(0x8000_001e, 0) == CPUID.Leaf(eax: 3, ebx: 0x101))
    }

    @Test func `Leaves beyond the last are zero`() {
        for number in [0x17, 0x4000_0100, 0x8000_0022, 0xc000_0000] as [UInt32] {
            #expect(Self.cpuid.leaf(number, 0) == CPUID.Leaf())
        }
    }

    @Test func `CPUID tells whether the system uses XSAVE`() throws {
        let rig = try SystemRig(.long)
        rig.cpu.state.cr4 |= 1 << 18
        rig.cpu.rax = 0xffff_ffff_0000_0001
        rig.execute([0x0f, 0xa2])
        #expect(rig.cpu.rcx >> 27 & 1 == 1)
        #expect(rig.cpu.rax == UInt64(CPUID.signature))
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A folder of `Sources` and the modules that its files may import.
struct Shelf: CustomTestStringConvertible, Sendable {
    let folder: String
    let mayImport: Set<String>

    init(_ folder: String, _ mayImport: Set<String>) {
        self.folder = folder
        self.mayImport = mayImport
    }

    var testDescription: String { folder }

    /// From the bottom up; a shelf uses only shelves that come before it.
    ///
    /// `Synchronization` is the standard library's own and brings nothing with it, so every shelf
    /// may have it. `Memory` has Glibc for one type, the `iovec` it hands to the kernel.
    static let all = [
        Shelf("CLinux", []),
        Shelf("Linux", ["CLinux", "Glibc"]),
        Shelf("Memory", ["CLinux", "Linux", "Glibc"]),
        Shelf("Bus", []),
        Shelf("Hypervisor", ["Memory"]),
        Shelf("Control", []),
        Shelf("Emulator", ["Hypervisor", "Memory", "Linux", "CLinux"]),
        Shelf("KVM", ["Hypervisor", "Memory", "Linux", "CLinux"]),
        Shelf("Boot", ["Memory", "Hypervisor"]),
        Shelf("Virtio", ["Memory", "Bus", "Linux"]),
        Shelf("Devices", ["Virtio", "Bus", "Memory", "Linux"]),
        Shelf(
            "Machine",
            [
                "Devices", "Virtio", "Emulator", "KVM", "Boot", "Hypervisor", "Memory", "Bus",
                "Linux",
            ]),
        Shelf("CTree", []),
        Shelf("Agent", ["CTree"]),
        Shelf("agent", ["Agent", "CGuest"]),
        Shelf("policyc", ["Linux"]),
        Shelf("vmm", ["Machine", "Control", "Linux"]),
        Shelf("jailer", ["Control", "Linux"]),
        Shelf("Client", ["Agent", "Control", "Linux"]),
        Shelf(
            "CLI", ["Client", "Agent", "Control", "Hypervisor", "KVM", "Linux", "ArgumentParser"]),
    ]

    /// Those with Swift files.
    static let compiled = all.filter { $0.folder != "CLinux" && $0.folder != "CTree" }
}

@Suite struct ShelfTests {
    @Test(arguments: Shelf.compiled)
    func `A shelf imports only what it may`(_ shelf: Shelf) throws {
        for file in try Checkout.swiftFiles(in: "Sources/" + shelf.folder) {
            let wrong = try Checkout.imports(of: file)
                .subtracting(shelf.mayImport).subtracting(["Synchronization"])
            #expect(wrong.isEmpty, "\(file) imports \(wrong.sorted().joined(separator: ", "))")
        }
    }

    @Test func `Every folder of Sources has its place in the table`() throws {
        let folders = try FileManager.default.contentsOfDirectory(
            atPath: Checkout.path("Sources"))
        #expect(Set(folders) == Set(Shelf.all.map(\.folder)))
    }

    @Test func `No shelf uses one that comes after it`() {
        var known: Set<String> = ["Glibc", "CGuest", "ArgumentParser"]
        for shelf in Shelf.all {
            #expect(shelf.mayImport.isSubset(of: known), "\(shelf.folder)")
            known.insert(shelf.folder)
        }
    }

    /// Words that only code with tasks and actors has. Nothing of ours is above the trust line yet.
    @Test func `Nothing is asynchronous`() throws {
        for file in try Checkout.swiftFiles(in: "Sources") {
            for (index, line) in try Checkout.code(of: file).enumerated() {
                let isAsynchronous = Checkout.withoutCases(line).contains(
                    #/\b(async|await|actor)\b/#)
                #expect(!isAsynchronous, "\(file):\(index + 1): \(line)")
            }
        }
    }
}

// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// Parsers are built from the same files as the programs, `Shelves` being a link to `Sources`,
/// with the coverage counters that libFuzzer steers by and under the address sanitizer.
let counted: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Extern"),
    .enableExperimentalFeature("Lifetimes"),
    .unsafeFlags([
        "-sanitize=fuzzer,address", "-parse-as-library", "-enforce-exclusivity=unchecked",
        "-enable-testing",
    ]),
]

/// What is C: with the sanitizer's allocator, and not with one that counts.
let sanitized: [CSetting] = [.unsafeFlags(["-fsanitize=address"])]

func shelf(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Shelves/" + name, swiftSettings: counted)
}

/// One executable a parser of hostile bytes: `Sources/Fuzz<Name>/`.
func fuzzer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: "Fuzz" + name, dependencies: ["Driver"] + dependencies, swiftSettings: counted,
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])])
}

let package = Package(
    name: "fuzz",
    targets: [
        .target(name: "CLinux", path: "Shelves/CLinux", cSettings: sanitized),
        .target(name: "Driver", path: "Driver", swiftSettings: counted),
        shelf("Linux", ["CLinux"]),
        shelf("Memory", ["Linux", "CLinux"]),
        shelf("Hypervisor", ["Memory"]),
        shelf("Boot", ["Memory", "Hypervisor"]),
        fuzzer("Boot", ["Boot"]),
        shelf("Bus", []),
        shelf("Virtio", ["Memory", "Bus", "Linux"]),
        shelf("Devices", ["Virtio", "Bus", "Memory", "Linux"]),
        .target(name: "CAllocations", path: "Allocations", cSettings: sanitized),
        .target(
            name: "Support",
            dependencies: ["Memory", "Linux", "Virtio", "Bus", "CAllocations"], path: "Support",
            swiftSettings: counted),
        fuzzer("Virtqueue", ["Support", "Virtio", "Memory"]),
        fuzzer("Net", ["Support", "Devices", "Virtio", "Memory", "Linux"]),
        fuzzer("Entropy", ["Support", "Devices", "Virtio", "Memory", "Linux"]),
        fuzzer("Balloon", ["Support", "Devices", "Virtio", "Memory", "Linux"]),
        fuzzer("Pmem", ["Support", "Devices", "Virtio", "Memory", "Linux"]),
        fuzzer("Memory", ["Support", "Devices", "Virtio", "Memory", "Linux"]),
        shelf("Emulator", ["Hypervisor", "Memory", "Linux", "CLinux"]),
        fuzzer("Decoder", ["Emulator", "Hypervisor", "Memory"]),
        shelf("Control", []),
        fuzzer("JSON", ["Control"]),
        fuzzer("HTTP", ["Control"]),
        fuzzer("MMDS", ["Control", "Devices"]),
        .target(name: "CTree", path: "Shelves/CTree", cSettings: sanitized),
        shelf("Agent", ["CTree"]),
        fuzzer("Frames", ["Agent"]),
        fuzzer("Tree", ["Agent"]),
        shelf("Client", ["Agent", "Control", "Linux"]),
        fuzzer("Tar", ["Agent", "Client"]),
        fuzzer("Vsock", ["Support", "Devices", "Virtio", "Memory", "Linux"]),
        fuzzer("Block", ["Support", "Devices", "Virtio", "Memory", "Linux"]),
    ]
)

// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// Devices are built from the same files and with the same settings as in the monitor, `Shelves`
/// being a link to `Sources`; so is the driver that plays the guest.
let fast: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
    .unsafeFlags(["-cross-module-optimization", "-enforce-exclusivity=unchecked"]),
]

func shelf(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Shelves/" + name, swiftSettings: fast)
}

func benchmark(_ name: String) -> Target {
    .executableTarget(
        name: name,
        dependencies: [
            "Support", "Devices", "Virtio", "Memory", "Linux", "CBench",
        ], swiftSettings: fast)
}

let package = Package(
    name: "bench-devices",
    targets: [
        .target(name: "CLinux", path: "Shelves/CLinux"),
        .target(name: "CAllocations", path: "Allocations"),
        .target(name: "CBench"),
        shelf("Linux", ["CLinux"]),
        shelf("Memory", ["Linux", "CLinux"]),
        shelf("Bus", []),
        shelf("Virtio", ["Memory", "Bus", "Linux"]),
        shelf("Devices", ["Virtio", "Bus", "Memory", "Linux"]),
        .target(
            name: "Support", dependencies: ["Memory", "Linux", "Virtio", "Bus", "CAllocations"],
            path: "Support",
            swiftSettings: fast),
        benchmark("bench-net"),
        benchmark("bench-vsock"),
    ]
)

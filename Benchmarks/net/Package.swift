// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// Devices are built from the same files and with the same settings as in the monitor, `Shelves`
/// being a link to `Sources`; so is the driver that plays the guest.
let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
    .unsafeFlags(["-enforce-exclusivity=unchecked"]),
]
let fast: [SwiftSetting] = common + [.unsafeFlags(["-cross-module-optimization"])]
let inlinable: [SwiftSetting] = fast + [.unsafeFlags(["-enable-testing"])]

func shelf(
    _ name: String, _ dependencies: [Target.Dependency], _ settings: [SwiftSetting] = fast
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Shelves/" + name, swiftSettings: settings)
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
        shelf("Linux", ["CLinux"], inlinable),
        shelf("Memory", ["Linux", "CLinux"], inlinable),
        shelf("Bus", []),
        shelf("Virtio", ["Memory", "Bus", "Linux"], inlinable),
        shelf("Devices", ["Virtio", "Bus", "Memory", "Linux"]),
        .target(
            name: "Support", dependencies: ["Memory", "Linux", "Virtio", "Bus", "CAllocations"],
            path: "Support",
            swiftSettings: fast),
        benchmark("bench-net"),
        benchmark("bench-vsock"),
    ]
)

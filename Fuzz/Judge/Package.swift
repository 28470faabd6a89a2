// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// The emulator and its judge, optimized, and open to each other as in tests.
let open: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
    .unsafeFlags(["-enforce-exclusivity=unchecked", "-enable-testing", "-num-threads", "2"]),
]

func shelf(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Shelves/" + name, swiftSettings: open)
}

let package = Package(
    name: "judge",
    targets: [
        .target(name: "CLinux", path: "Shelves/CLinux"),
        .target(name: "CJudge", path: "CJudge"),
        shelf("Linux", ["CLinux"]),
        shelf("Memory", ["Linux", "CLinux"]),
        shelf("Hypervisor", ["Memory"]),
        shelf("Emulator", ["Hypervisor", "Memory", "Linux", "CLinux"]),
        .target(
            name: "Judge", dependencies: ["CJudge", "Emulator", "Hypervisor", "Memory"],
            path: "Judge", swiftSettings: open),
        .executableTarget(
            name: "judge-run", dependencies: ["Judge", "CJudge"], path: "Sources/judge",
            swiftSettings: open),
    ]
)

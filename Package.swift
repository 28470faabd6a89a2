// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// Every target of ours: Swift 6, strict memory safety, warnings as errors.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
]

/// Small targets must not cost inlining: what they have for the public is optimized across modules.
let hot: [SwiftSetting] =
    strict + [
        .unsafeFlags(
            ["-cross-module-optimization", "-enforce-exclusivity=unchecked", "-num-threads", "2"],
            .when(configuration: .release))
    ]

/// As ``hot`` for the shelves that every device stands on: all of theirs can be inlined elsewhere.
/// `-cross-module-optimization` looks at what is public, and what is `package` stays a call, before
/// which a value that cannot be copied is copied, unless testing is enabled. So are the programs the
/// same code as what is tested.
let inlinable: [SwiftSetting] =
    hot + [.unsafeFlags(["-enable-testing"], .when(configuration: .release))]

/// As ``hot`` for the module whose functions nobody else inlines: they stay its own, so that each
/// handler is one function.
let closed: [SwiftSetting] =
    strict + [
        .unsafeFlags(
            ["-enforce-exclusivity=unchecked", "-num-threads", "2"],
            .when(configuration: .release))
    ]

/// Tests are not optimized: what they test is, they compile sooner so, and the optimizer of Swift
/// 6.3.1 fails on some that consume noncopyable values.
let tested: [SwiftSetting] =
    strict + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

/// What a start of the monitor calls is side by side in the program, which is mapped in pieces of
/// 64 KiB: Benchmarks/order. Names that are gone are no error.
let ordered = [
    "-use-ld=lld", "-Xlinker",
    "--symbol-ordering-file=\(Context.packageDirectory)/Benchmarks/start.order", "-Xlinker",
    "--no-warn-symbol-ordering",
]

/// The monitor's own ends for what ends a program from within: runtime.c.
let ending = ["abort", "__libc_message", "__libc_fatal"].flatMap { ["-Xlinker", "--wrap=\($0)"] }

func library(_ name: String, _ dependencies: [Target.Dependency], _ settings: [SwiftSetting] = hot)
    -> Target
{
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name + "Tests", dependencies: [.byName(name: name), "Support"] + dependencies,
        swiftSettings: tested)
}

let package = Package(
    name: "swiftlet",
    products: [
        .executable(name: "swiftlet", targets: ["swiftlet"]),
        .executable(name: "swiftlet-vmm", targets: ["swiftlet-vmm"]),
        .executable(name: "swiftlet-jailer", targets: ["swiftlet-jailer"]),
        .library(name: "Client", targets: ["Client"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .target(name: "CLinux"),
        library("Linux", ["CLinux"], inlinable),
        library("Memory", ["Linux", "CLinux"], inlinable),
        library("Bus", []),
        library("Hypervisor", ["Memory"]),
        library("Control", []),
        library("Emulator", ["Hypervisor", "Memory", "Linux", "CLinux"], closed),
        library("KVM", ["Hypervisor", "Memory", "Linux", "CLinux"]),
        library("Boot", ["Memory", "Hypervisor"]),
        library("Virtio", ["Memory", "Bus", "Linux"], inlinable),
        library("Devices", ["Virtio", "Bus", "Memory", "Linux"]),
        library(
            "Machine",
            [
                "Devices", "Virtio", "Emulator", "KVM", "Boot", "Hypervisor", "Memory", "Bus",
                "Linux",
            ]),
        // Compiled into the guest's agent as well, with another C library.
        .target(name: "CTree"),
        library("Agent", ["CTree"]),
        library("Client", ["Agent", "Control", "Linux"]),
        .executableTarget(
            name: "swiftlet-vmm", dependencies: ["Machine", "Control", "Linux"],
            path: "Sources/vmm",
            swiftSettings: hot,
            linkerSettings: [
                .unsafeFlags(
                    ["-static-executable"] + ordered + ending, .when(configuration: .release))
            ]),
        .executableTarget(
            name: "swiftlet-jailer", dependencies: ["Control", "Linux"], path: "Sources/jailer",
            swiftSettings: strict,
            linkerSettings: [.unsafeFlags(["-static-executable"], .when(configuration: .release))]),
        .executableTarget(
            name: "swiftlet",
            dependencies: [
                "Client", "Agent", "Control", "KVM", "Hypervisor", "Linux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/CLI", swiftSettings: strict,
            // FoundationEssentials, which ArgumentParser needs, does not name what it is made of.
            linkerSettings: [
                .unsafeFlags(
                    [
                        "-static-executable", "-lFoundationEssentials", "-l_FoundationCShims",
                        "-l_FoundationCollections", "-lswift_StringProcessing",
                        "-lswift_RegexParser", "-lswift_Concurrency", "-lswiftSynchronization",
                        "-lswift_Builtin_float",
                    ], .when(configuration: .release))
            ]),
        // Compiles the seccomp policies into a source file of the monitor; `make policy` runs it.
        .executableTarget(name: "policyc", dependencies: ["Linux"], swiftSettings: strict),
        .executableTarget(
            name: "swiftlet-bench-block",
            dependencies: ["Support", "Devices", "Virtio", "Memory", "Linux"],
            path: "Benchmarks/block", swiftSettings: hot),
        .target(name: "CAllocations", path: "Tests/Allocations"),
        .target(
            name: "Support",
            dependencies: ["Memory", "Linux", "Virtio", "Bus", "Hypervisor", "CAllocations"],
            path: "Tests/Support", swiftSettings: tested),
        tests("Linux", []),
        tests("Memory", ["Linux"]),
        tests("Bus", []),
        .target(name: "CJudge", path: "Fuzz/Judge/CJudge"),
        tests("Emulator", ["Hypervisor", "Memory", "Linux", "CJudge"]),
        tests("KVM", ["Hypervisor", "Emulator", "Memory", "Linux", "CLinux"]),
        tests("Boot", ["Memory", "Hypervisor"]),
        tests("Virtio", ["Memory", "Linux", "Bus"]),
        tests("Devices", ["Virtio", "Memory", "Linux", "Bus"]),
        tests("Control", []),
        tests("Agent", ["Linux"]),
        tests("Client", ["Agent", "Control", "Linux"]),
        tests("Machine", ["Memory", "Hypervisor", "KVM", "Linux", "Devices", "CLinux"]),
        .testTarget(
            name: "IntegrationTests", dependencies: ["Support", "Linux", "Machine"],
            path: "Tests/Integration", swiftSettings: tested),
    ]
)

// SWIFTLET_TESTS=ClientTests,AgentTests builds those suites only, and what they need.
if let only = Context.environment["SWIFTLET_TESTS"]?.split(separator: ",").map(String.init) {
    package.targets.removeAll { $0.type == .test && !only.contains($0.name) }
}

// SPDX-License-Identifier: Apache-2.0
import Linux

/// All that `doctor` looks at, and how it judges it.
package struct HostSurvey: Sendable {
    let files: HostFiles
    let features: KernelFeatures
    let kvm: KVMState
    /// Nanoseconds that it took to try what KVM is; nil: nobody has, or it was remembered.
    let trial: UInt64?
    /// Why no machine can be started whatever the engine, one sentence a file; empty: all is there.
    let missing: [String]

    package init(
        files: HostFiles, features: KernelFeatures, kvm: KVMState, trial: UInt64? = nil,
        missing: [String] = []
    ) {
        self.files = files
        self.features = features
        self.kvm = kvm
        self.trial = trial
        self.missing = missing
    }

    /// Looks at this host, whose KVM was looked at already, in `trial` nanoseconds.
    package static func here(kvm: KVMState, trial: UInt64? = nil) -> HostSurvey {
        HostSurvey(
            files: HostFiles(), features: .probe(), kvm: kvm, trial: trial,
            missing: Installation.missing)
    }

    /// Everything that was found, group by group.
    package var diagnosis: HostDiagnosis {
        HostDiagnosis(
            kvm: kvm, trial: trial,
            findings: engineFindings + installationFindings + kernelFindings + isolationFindings
                + speedFindings + limitFindings)
    }

    private var installationFindings: [Finding] {
        if missing.isEmpty {
            return [
                Finding(
                    .installation, "files", .good, "monitor, guest kernel and initramfs are there")
            ]
        }
        return missing.map {
            Finding(.installation, "files", .broken, $0, remedy: ["make build guest"])
        }
    }

    private var engineFindings: [Finding] {
        let soft = Finding(
            .engines, "soft", .good, "works on every host: a processor in software")
        let found = trial.map { "; what KVM is was found out in \($0 / 1000) µs" } ?? ""
        let auto = Finding(
            .engines, "auto", .good, "takes \(kvm.isFast ? "kvm" : "soft")\(found)")
        return [kvmFinding, soft, auto] + nestedFindings
    }

    private var kvmFinding: Finding {
        switch kvm {
        case .hardware: Finding(.engines, "kvm", .good, "works: hardware virtualization")
        case .nested:
            Finding(
                .engines, "kvm", .good,
                "works, nested in a machine that is virtual itself: exits cost more")
        case .pvm:
            Finding(
                .engines, "kvm", .note,
                "works, but is PVM, which emulates guest kernels one instruction at a time: Linux"
                    + " takes minutes to boot")
        case .unavailable(let reason, let remedy):
            Finding(.engines, "kvm", .note, "does not work: \(reason)", remedy: remedy)
        }
    }

    /// Guests are known to shut down at once under VMware's nested SVM.
    private var nestedFindings: [Finding] {
        guard kvm == .nested,
            files.lines("/proc/cpuinfo").contains(where: { $0.hasSuffix("AuthenticAMD") }),
            files.text("/sys/class/dmi/id/sys_vendor")?.hasPrefix("VMware") == true
        else { return [] }
        return [
            Finding(
                .engines, "nested-amd", .warning,
                "AMD's virtualization inside VMware is known to end guests at their start",
                remedy: ["swiftlet run --engine soft -- true"])
        ]
    }
}

extension Errno {
    static var accessDenied: Self { Self(rawValue: 13) }
    static var notPermitted: Self { Self(rawValue: 1) }
    static var notImplemented: Self { Self(rawValue: 38) }
}

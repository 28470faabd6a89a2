// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Hypervisor
import KVM
import Linux

/// `swiftlet doctor`: what this host can do, and what would make it better.
struct DoctorCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say which engines work here, and what would make the host better.",
        discussion: """
            Each thing that could be better comes with the commands that mend it. Nothing is \
            changed.

            Exit status: 0 if a machine can run here, else 1.

            Examples:
              swiftlet doctor
              swiftlet doctor --json | jq '.engine'
            """)

    @Flag(help: "Print JSON.")
    var json = false

    func perform() -> CInt {
        let host = KVMHost.detect()
        let diagnosis = HostSurvey.here(kvm: KVMState(host), trial: host.trial).diagnosis
        let text = json ? diagnosis.json.text + "\n" : diagnosis.text
        CurrentProcess.writeAll(Array(text.utf8), to: 1)
        return diagnosis.canRun ? 0 : 1
    }
}

extension KVMState {
    /// What was found by trying it, and what mends it by the host's files.
    fileprivate init(_ host: KVMHost) {
        switch host.kind {
        case .hardware: self = .hardware
        case .nested: self = .nested
        case .pvm: self = .pvm
        case .soft, nil:
            let files = HostFiles()
            let seen = KVMState(files)
            if case .unavailable = seen {
                self = seen
            } else {
                self = .refused("\(host)", by: Obstacle(host.error), files)
            }
        }
    }
}

extension KVMState.Obstacle {
    fileprivate init(_ error: KVMError?) {
        self =
            error?.isHeldByAnother == true
            ? .anotherHypervisor : error?.needsNewerKernel == true ? .oldKernel : .other
    }
}

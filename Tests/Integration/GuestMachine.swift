// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A machine that runs until this goes, for the verbs that are about one.
final class GuestMachine {
    let host: DetachedHost
    let name = "web"

    /// Starts one on the software engine; `script` runs in it before the machine counts as there.
    init(_ script: String = "true", memory: String = "256M") throws {
        host = try DetachedHost()
        try host.done(
            "run", "--detach", "--name", name, "--engine", "soft", "--memory", memory, "--",
            "sh", "-c", script + "\necho there\nexec sleep 10000")
        let isThere = RunningProgram.wait(seconds: 60) {
            (try? host.swiftlet("logs", name))?.outputText.hasSuffix("there\n") ?? false
        }
        try #require(isThere, "the machine does not say that it is there")
    }

    deinit { _ = try? host.swiftlet("rm", "--force", name) }

    /// What a shell in the guest says.
    @discardableResult
    func shell(_ script: String, at location: SourceLocation = #_sourceLocation) throws -> String {
        try host.done("exec", name, "sh", "-c", script, at: location)
    }
}

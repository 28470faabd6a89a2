// SPDX-License-Identifier: Apache-2.0
import Linux

/// Compiles the policies: `policyc FOLDER` prints the Swift file that the monitor is built with.
func source(folder: String) throws(SeccompPolicyError) -> String {
    var text = """
        // SPDX-License-Identifier: Apache-2.0
        // Made by `make policy` from the files in Policy/. Change those.
        // swift-format-ignore-file

        /// What the threads of the monitor may ask of the kernel, compiled.
        enum SeccompFilters {

        """
    for role in ThreadRole.allCases {
        let files = HostFiles(root: folder)
        let policy = try SeccompPolicy(files.text("/\(role.rawValue).policy") ?? "")
        let words = try policy.compiled().instructions.map { "0x" + String($0, radix: 16) }
        text += "    /// \(policy.calls.count) system calls.\n"
        text += "    static let \(role.rawValue): [UInt64] = [\n"
        for start in stride(from: 0, to: words.count, by: 4) {
            let line = words[start..<min(start + 4, words.count)].joined(separator: ", ")
            text += "        \(line),\n"
        }
        text += "    ]\n"
    }
    return text + "}\n"
}

do throws(SeccompPolicyError) {
    guard CommandLine.arguments.count == 2 else {
        CurrentProcess.complain("usage: policyc FOLDER\n")
        CurrentProcess.exit(2)
    }
    let text = try source(folder: CommandLine.arguments[1])
    CurrentProcess.writeAll(Array(text.utf8), to: 1)
} catch {
    CurrentProcess.complain("policyc: \(error)\n")
    CurrentProcess.exit(1)
}

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Linux

/// `swiftlet completion`: what makes a shell complete our command lines.
struct CompletionCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print a script that completes command lines.",
        discussion: """
            Examples:
              swiftlet completion bash > ~/.local/share/bash-completion/completions/swiftlet
              swiftlet completion zsh > "${fpath[1]}/_swiftlet"
              swiftlet completion fish > ~/.config/fish/completions/swiftlet.fish
            """)

    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish

        var shell: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @Argument(help: "The shell: bash, zsh or fish.")
    var shell: Shell

    func perform() -> CInt {
        let script = Swiftlet.completionScript(for: shell.shell)
        CurrentProcess.writeAll(Array((script + "\n").utf8), to: 1)
        return 0
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Command lines are completed: each shell that is installed here is asked itself.
@Suite struct CompletionTests {
    /// What is typed behind the program's name, up to the key, and what is then offered; of files
    /// the last part.
    static let lines: [(String, [String])] = [
        ("sta", ["stats"]), ("run --eng", ["--engine"]),
        ("run --engine ", ["auto", "kvm", "soft"]),
        ("run --kernel bin/guest/vmlin", ["vmlinux"]),
        ("run --disk bin/guest/init", ["initramfs.cpio"]),
        ("kill --signal SE", ["SEGV"]), ("completion f", ["fish"]),
    ]

    @Test(arguments: lines)
    func `Bash completes verbs, options and what belongs to them`(
        _ line: String, _ offers: [String]
    ) throws {
        #expect(try Shell.bash.offers(line) == offers)
    }

    @Test(.enabled(if: Shell.zsh.isInstalled, "zsh is not installed"), arguments: lines)
    func `Zsh completes verbs, options and what belongs to them`(
        _ line: String, _ offers: [String]
    ) throws {
        #expect(try Shell.zsh.offers(line) == offers)
    }

    @Test(.enabled(if: Shell.fish.isInstalled, "fish is not installed"), arguments: lines)
    func `Fish completes verbs, options and what belongs to them`(
        _ line: String, _ offers: [String]
    ) throws {
        #expect(try Shell.fish.offers(line) == offers)
    }

    @Test func `Machines are offered where they are named, and not as commands for them`() throws {
        let machine = try GuestMachine()
        for shell in Shell.allCases where shell.isInstalled {
            for line in [
                "stop ", "exec ", "exec w", "exec -it ", "exec -e A=B --timeout 1s -w / ",
                "exec --env=A=B -- w",
            ] {
                let offers = try shell.offers(line, environment: machine.host.environment)
                #expect(offers == ["web"], "\(shell): \(line)")
            }
            for line in ["exec web ", "exec -w ", "exec -it web -- w", "exec web ls w"] {
                let offers = try shell.offers(line, environment: machine.host.environment)
                #expect(!offers.contains("web"), "\(shell): \(line)")
            }
        }
    }
}

/// A shell that completes command lines.
private enum Shell: String, CaseIterable {
    case bash, zsh, fish

    var isInstalled: Bool {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(rawValue)")
        }
    }

    /// What it offers at the end of `line`, in order, each once.
    func offers(_ line: String, environment: [String: String] = [:]) throws -> [String] {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-completion-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let programs = URL(filePath: try Built.file("bin/swiftlet")).deletingLastPathComponent()
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let surroundings = environment.merging([
            "PATH": "\(programs.path):\(path)", "HOME": folder.path, "LINE": "swiftlet " + line,
        ]) { $1 }
        let text: String
        switch self {
        case .bash:
            let result = try Program.run(
                "bash", ["-c", Self.bashScript], environment: surroundings)
            #expect(result.status == 0, "\(result.errorText)")
            text = result.outputText
        case .zsh:
            try Data(Self.zshScript.utf8).write(to: folder.appending(path: ".zshrc"))
            text = try offersOnTerminal(["-d", "-i"], in: folder, surroundings)
        case .fish:
            let arguments = ["-N", "-i", "-C", Self.fishScript]
            text = try offersOnTerminal(arguments, in: folder, surroundings, typing: line)
        }
        let words = text.split(separator: "\n").map {
            // Fish says behind a tabulator what a word means.
            String($0.prefix { $0 != "\t" }.split(separator: "/").last ?? "")
        }
        return Set(words.filter { !$0.isEmpty }).sorted()
    }

    /// The editors of these two complete only on a terminal; what they would is written to a file.
    private func offersOnTerminal(
        _ arguments: [String], in folder: URL, _ environment: [String: String],
        typing line: String? = nil
    ) throws -> String {
        let words = environment.map { "\($0)=\($1)" } + ["ZDOTDIR=\(folder.path)", rawValue]
        let terminal = try PseudoTerminal("env", words + arguments, rows: 24, columns: 80)
        if let line {
            #expect(terminal.shows("ready> "), "\(terminal.rest)")
            terminal.type("swiftlet \(line)\u{18}")
        }
        #expect(terminal.shows(" so much."), "\(terminal.rest)")
        return (try? String(contentsOf: folder.appending(path: "offers"), encoding: .utf8)) ?? ""
    }

    private static let bashScript = """
        source <(swiftlet completion bash)
        COMP_LINE=$LINE; COMP_POINT=${#COMP_LINE}
        # As readline splits it.
        read -ra COMP_WORDS <<< "${COMP_LINE//=/ = }"
        [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _swiftlet swiftlet "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
        """

    private static let zshScript = """
        autoload -U compinit
        compinit -D -u
        source =(swiftlet completion zsh)
        compadd() {
            local -a offers
            builtin compadd -O offers "$@"
            # The last one counts: others are on the way there, such as the folders of a path.
            (( $#offers )) && print -rl -- $offers > $HOME/offers
            builtin compadd "$@"
        }
        zle-line-init() {
            BUFFER=$LINE CURSOR=$#BUFFER
            zle complete-word
            print ' so much.'
            exit
        }
        zle -N zle-line-init

        """

    private static let fishScript = """
        swiftlet completion fish | source
        function fish_prompt; echo 'ready> '; end
        bind \\cx 'complete -C > $HOME/offers; echo " so much."; exit'
        """
}

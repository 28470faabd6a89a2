// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// Turns a request into a process.
enum Launch {
    private static var defaultPath: String {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    }

    enum Result {
        case started(Command)
        case failed(StartFailure)
    }

    /// Starts the command; its files report events under `token`.
    static func start(_ request: ExecRequest, token: UInt64) -> Result {
        var files: CommandFiles
        switch CommandFiles.open(for: request) {
        case .opened(let opened): files = opened
        case .failed(let result): return failure(.process, result)
        }
        let environment = environment(for: request)
        let paths = candidates(request.arguments[0], environment)
        var strings = Strings()
        strings.append(request.workingDirectory.isEmpty ? [slash] : request.workingDirectory)
        for path in paths { strings.append(path) }
        for argument in request.arguments { strings.append(argument) }
        for variable in environment { strings.append(variable) }
        let plan = guest_launch(
            paths: Int32(paths.count), arguments: Int32(request.arguments.count),
            environment: Int32(environment.count), input: files.childInput,
            output: files.childOutput, error_output: files.childErrorOutput,
            terminal: files.hasTerminal ? 1 : 0)
        let child = guest_spawn(strings.bytes.span, plan)
        guard child.pid > 0 else {
            return failure(
                StartFailure.Step(rawValue: UInt8(clamping: child.step)) ?? .process, child.pid)
        }
        return .started(Command(processID: child.pid, files: files, token: token))
    }

    private static var slash: UInt8 { UInt8(ascii: "/") }
    private static var equals: UInt8 { UInt8(ascii: "=") }

    private static func failure(_ step: StartFailure.Step, _ result: Int32) -> Result {
        .failed(StartFailure(step: step, errno: result.magnitude))
    }

    /// The defaults, with what the request sets in their place or behind them.
    private static func environment(for request: ExecRequest) -> [[UInt8]] {
        var variables = [
            Array(defaultPath.utf8), Array("HOME=/root".utf8), Array("HOSTNAME=swiftlet".utf8),
        ]
        if request.terminal != nil { variables.append(Array("TERM=xterm".utf8)) }
        for variable in request.environment {
            let wanted = name(of: variable)
            if let index = variables.firstIndex(where: { name(of: $0).elementsEqual(wanted) }) {
                variables[index] = variable
            } else {
                variables.append(variable)
            }
        }
        return variables
    }

    private static func name(of variable: [UInt8]) -> ArraySlice<UInt8> {
        variable.prefix { $0 != equals }
    }

    /// Where `command` may be: itself if it has a slash, else in each directory of `PATH`.
    private static func candidates(_ command: [UInt8], _ environment: [[UInt8]]) -> [[UInt8]] {
        if command.contains(slash) { return [command] }
        let pathName = Array("PATH".utf8)
        guard let path = environment.first(where: { name(of: $0).elementsEqual(pathName) }) else {
            return [command]
        }
        var candidates: [[UInt8]] = []
        var directory: [UInt8] = []
        for byte in path.dropFirst(pathName.count + 1) + [UInt8(ascii: ":")] {
            guard byte == UInt8(ascii: ":") else {
                directory.append(byte)
                continue
            }
            if directory.isEmpty { directory.append(UInt8(ascii: ".")) }
            directory.append(slash)
            candidates.append(directory + command)
            directory = []
        }
        return candidates
    }
}

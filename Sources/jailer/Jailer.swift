// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// The program: from arguments to a jailed program in its own place.
enum Jailer {
    /// - Parameter words: The program's name and its arguments.
    /// - Returns: The exit status, unless this process has become the jailed program.
    static func run(_ words: [String]) -> CInt {
        let moment = LaunchMoment()
        do throws(JailFailure) {
            try leaveCaller()
            let arguments = try read(Array(words.dropFirst()))
            switch arguments.request {
            case .help: say(JailerArguments.usage)
            case .version: say(version(words.first ?? "") + "\n")
            case .run: try jail(arguments, moment)
            case .spares(let count):
                let program = try JailedProgram(arguments.executable)
                let base = try Jail.openBase(arguments.baseDirectory)
                try Spares(of: program).fill(count, below: base)
            }
            return 0
        } catch {
            CurrentProcess.complain(error.description + "\n")
            return 1
        }
    }

    /// Keeps nothing of who has started this: no descriptor, no variable, no odd file modes.
    private static func leaveCaller() throws(JailFailure) {
        try JailFailure.attempt("Failed to sanitize the Jailer process") { () throws(Errno) in
            try Confinement.closeDescriptors(except: [0, 1, 2])
            try ProcessSetup.completeStandardStreams()
        }
        Confinement.clearEnvironment()
        FileSystem.setModeMask(0o022)
    }

    private static func read(_ words: [String]) throws(JailFailure) -> JailerArguments {
        do throws(JailerArguments.Failure) {
            return try JailerArguments(words)
        } catch {
            throw JailFailure(error.description)
        }
    }

    private static func jail(
        _ arguments: JailerArguments, _ moment: LaunchMoment
    ) throws(JailFailure) {
        let jail = try Jail(arguments)
        do throws(JailFailure) {
            try jail.build()
            try jail.launch(moment)
        } catch {
            jail.undo.all()
            throw error
        }
    }

    private static func say(_ text: String) { CurrentProcess.writeAll(Array(text.utf8), to: 1) }

    private static func version(_ program: String) -> String {
        program.split(separator: "/").last == "jailer"
            ? "Jailer v\(Version.api)\n" : "Swiftlet Jailer v\(Version.current)"
    }
}

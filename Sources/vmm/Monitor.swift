// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Machine

/// The program: from arguments to one machine, and from its end to an exit status.
enum Monitor {
    /// What the process says when it ends, as Firecracker does.
    enum ExitStatus {
        static var success: CInt { 0 }
        static var failure: CInt { 1 }
        static var memoryLost: CInt { MemoryLoss.exitStatus }
        static var badConfiguration: CInt { 152 }
        static var badArguments: CInt { 153 }
        static var hungUp: CInt { 156 }
    }

    /// A monitor that cannot do what it was started for.
    struct Refusal: Error {
        let message: String
        let status: CInt

        init(_ message: String, _ status: CInt = ExitStatus.badConfiguration) {
            self.message = message
            self.status = status
        }
    }

    /// - Parameter words: The program's name and its arguments.
    static func run(_ words: [String]) -> CInt {
        let product = Version.product(of: words.first ?? "")
        let arguments: MonitorArguments
        do throws(MonitorArguments.Failure) {
            arguments = try MonitorArguments(Array(words.dropFirst()))
        } catch {
            if error.isConfiguration {
                complain(error.description)
                return ExitStatus.badConfiguration
            }
            complain("Arguments parsing error: \(error)\n\nFor more information try --help.")
            return ExitStatus.badArguments
        }
        switch arguments.request {
        case .help: CurrentProcess.writeAll(Array(MonitorArguments.usage.utf8), to: 1)
        case .version:
            CurrentProcess.writeAll(Array("\(product.name) v\(product.version)\n".utf8), to: 1)
        case .run:
            do throws(Refusal) {
                try Session(arguments, product: product.name).run()
            } catch {
                complain(error.message)
                return error.status
            }
        }
        return ExitStatus.success
    }

    static func complain(_ message: String) {
        CurrentProcess.complain("swiftlet-vmm: \(message)\n")
    }
}

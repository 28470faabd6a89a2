// SPDX-License-Identifier: Apache-2.0
import Linux

/// Why there is no jail: one sentence, in the words of Firecracker's jailer where it has some.
struct JailFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// Does `body`; an error of the kernel is told after `what`.
    static func attempt<Result: ~Copyable>(
        _ what: @autoclosure () -> String, _ body: () throws(Errno) -> Result
    ) throws(JailFailure) -> Result {
        do throws(Errno) {
            return try body()
        } catch {
            throw JailFailure("\(what()): \(error.withNumber)")
        }
    }
}

/// What takes back what has been done so far.
final class Undo {
    private var steps: [() -> Void] = []

    /// Adds what is to be done before all steps that are there already.
    func add(_ step: @escaping () -> Void) { steps.append(step) }

    func all() {
        while let step = steps.popLast() { step() }
    }
}

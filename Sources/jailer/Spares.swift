// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// Copies of a program that were made before somebody waits for them. A start takes one by a rename,
/// so that it is that machine's own; without one it copies.
///
/// They lie in `<base>/<program>/.spares`, which no machine can be called, and are root's alone.
struct Spares {
    private let program: JailedProgram
    /// Of this very file and its contents: another one in its place has other spares.
    private let identity: String

    private static var folderName: String { ".spares" }

    init(of program: JailedProgram) {
        self.program = program
        identity = (try? program.file.status().identity) ?? "unknown"
    }

    private func name(_ index: Int) -> String { "\(identity)-\(index)" }

    /// Makes what is missing of `count` copies.
    func fill(_ count: Int, below base: Directory) throws(JailFailure) {
        do throws(Errno) {
            _ = try base.makeDirectory(program.name, mode: 0o755)
            let parent = try base.directory(program.name)
            _ = try parent.makeDirectory(Self.folderName, mode: 0o700)
            let folder = try parent.directory(Self.folderName)
            try folder.setOwner(user: 0, group: 0)
            try folder.setMode(0o700)
            for index in 0..<count { try make(index, in: folder) }
        } catch {
            throw JailFailure(
                "Failed to copy \(program.path) to \(base.path(of: program.name))/"
                    + "\(Self.folderName): \(error.withNumber)")
        }
    }

    private func make(_ index: Int, in folder: Directory) throws(Errno) {
        if (try? folder.status(of: name(index))) != nil { return }
        let draft = "new-\(CurrentProcess.identifier)"
        try? folder.remove(draft)
        do throws(Errno) {
            let copy = try folder.create(draft, mode: 0o600)
            try program.file.copyProgram(to: copy)
            try copy.setMode(0o555)
        } catch {
            try? folder.remove(draft)
            throw error
        }
        do throws(Errno) {
            try folder.move(draft, to: name(index), in: folder)
        } catch .exists {
            // Another jailer was quicker.
            try folder.remove(draft)
        }
    }

    /// Moves a copy to `name` in `root`, where nothing must be. False: there is none.
    func take(below parent: Directory, to root: Directory, as name: String) -> Bool {
        guard let folder = try? parent.directory(Self.folderName),
            let status = try? folder.status(), status.user == 0, status.mode & 0o077 == 0
        else { return false }
        // Those who start at the same moment begin at different ones.
        let first = Int(CurrentProcess.identifier)
        for step in 0..<JailerArguments.spareLimit {
            let spare = self.name((first + step) % JailerArguments.spareLimit)
            do throws(Errno) {
                try folder.move(spare, to: name, in: root)
            } catch .noEntry {
                continue
            } catch {
                return false
            }
            let taken = try? root.status(of: name)
            let isWhole = taken?.kind == .regular && taken?.links == 1 && taken?.user == 0
            if isWhole, taken?.mode == 0o555 { return true }
            try? root.remove(name)
        }
        return false
    }
}

// SPDX-License-Identifier: Apache-2.0
import Linux

/// The program's file outside the jail, open.
final class JailedProgram {
    /// Without links.
    let path: String
    let file: FileDescriptor

    /// Last part of the path.
    var name: String { String(path.split(separator: "/").last ?? "") }

    init(_ given: String) throws(JailFailure) {
        let path = try JailFailure.attempt("Failed to canonicalize path \(given)") {
            () throws(Errno) in try FileSystem.realPath(given)
        }
        file = try JailFailure.attempt("Failed to open \(path)") { () throws(Errno) in
            try FileDescriptor.open(path, flags: FileSystem.readingAtOnce)
        }
        let descriptor = file.rawValue
        let kind = try JailFailure.attempt("Cannot get metadata for a file: \(path)") {
            () throws(Errno) in try FileStatus(of: descriptor).kind
        }
        guard kind == .regular else { throw JailFailure("\(path) is not a file") }
        self.path = path
    }
}

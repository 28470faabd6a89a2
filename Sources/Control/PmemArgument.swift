// SPDX-License-Identifier: Apache-2.0

/// A file as people write it for persistent memory: `PATH[:ro][:id=NAME]`.
package struct PmemArgument: Hashable, Sendable {
    package let path: String
    package let isReadOnly: Bool
    /// Its name for the host; nil: by its place.
    package let id: String?

    package init(_ text: String) throws(DiskArgumentError) {
        let argument = try DiskArgument(text)
        guard argument.engine == nil else {
            throw DiskArgumentError(
                description:
                    "'\(JSONError.printable(text))': persistent memory has no engine; write"
                    + " PATH, PATH:ro or PATH:id=NAME")
        }
        path = argument.path
        isReadOnly = argument.isReadOnly
        id = argument.id
    }
}

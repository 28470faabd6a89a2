// SPDX-License-Identifier: Apache-2.0
import Linux

/// Facts about the host that only tests want.
package func processID() -> CInt { HostFacts.processID }

/// Permission bits of the file at `path`.
package func fileMode(_ path: String) throws(Errno) -> UInt32 { try HostFacts.fileMode(path) }

// SPDX-License-Identifier: Apache-2.0
import Control

extension MicroVM {
    /// A file on the host that the guest has as persistent memory, `/dev/pmem0` and so on: what it
    /// reads there are the host's own pages of the file.
    public struct Pmem: Hashable, Sendable {
        /// A regular file or a block device. The guest sees its size rounded up to 2 MiB, and
        /// loses what it writes behind the end of the file.
        public var path: String
        /// The guest can read it only; the host holds to that.
        public var isReadOnly = false
        /// Its name to the host; nil: `pmem0` and so on.
        public var id: String?

        /// Memory that can be written to.
        public init(path: String) { self.path = path }
    }
}

extension MicroVM.Configuration {
    /// In the guest's order.
    var pmemConfigs: [PmemConfig] {
        pmems.enumerated().map { index, pmem in
            var config = PmemConfig(id: pmem.id ?? "pmem\(index)", path: pmem.path)
            config.isReadOnly = pmem.isReadOnly
            return config
        }
    }
}

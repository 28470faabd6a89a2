// SPDX-License-Identifier: Apache-2.0
import Control

extension MicroVM {
    /// A file on the host that the guest sees as a disk.
    public struct Disk: Hashable, Sendable {
        /// A regular file or a block device, taken as it is: no format is ever guessed.
        public var path: String
        /// The guest can read it only; the host holds to that.
        public var isReadOnly = false
        /// Its name to the guest, 1 to 20 letters, digits and underscores; nil: `disk0` and so on.
        public var id: String?
        /// Requests go to the host's kernel all at once (io_uring), not one after the other.
        public var isAsync = false

        /// A disk that can be written to.
        public init(path: String) { self.path = path }
    }
}

extension MicroVM.Configuration {
    /// Whether the guest could lose what it wrote if its machine just stopped.
    package var keepsData: Bool {
        ([rootDisk].compactMap { $0 } + disks).contains { !$0.isReadOnly }
            || pmems.contains { !$0.isReadOnly }
    }

    /// The disks in the guest's order: the root file system's is the first.
    var driveConfigs: [DriveConfig] {
        let all = [rootDisk].compactMap { $0 } + disks
        return all.enumerated().map { index, disk in
            let isRoot = rootDisk != nil && index == 0
            let number = rootDisk == nil ? index : index - 1
            var drive = DriveConfig(
                id: disk.id ?? (isRoot ? "rootfs" : "disk\(number)"), path: disk.path,
                isRootDevice: isRoot)
            drive.isReadOnly = disk.isReadOnly
            drive.ioEngine = disk.isAsync ? .concurrent : .serial
            // A person who waits for fsync means the disk.
            drive.cacheType = .writeback
            return drive
        }
    }
}

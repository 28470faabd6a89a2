// SPDX-License-Identifier: Apache-2.0
import Devices

extension MachineConfiguration {
    /// `line` with further words for the kernel, which are not to be taken for the arguments of
    /// init that follow `--`.
    package static func commandLine(_ line: String, adding words: [String]) -> String {
        let end = endOfKernelWords(line)
        let kernel = line[..<end]
        var result = kernel.utf8.allSatisfy { $0 == blank } ? "" : String(kernel)
        // The blank before the arguments of init comes back with them. A character may be more than
        // that blank: some scalars, such as U+0600, take what follows them in.
        if end < line.endIndex, !result.isEmpty { result.unicodeScalars.removeLast() }
        for word in words {
            if !result.isEmpty { result += " " }
            result += word
        }
        if end < line.endIndex {
            if !result.isEmpty { result += " " }
            result += line[end...]
        }
        return result
    }

    private static var blank: UInt8 { UInt8(ascii: " ") }

    /// Where the word `--` is; the end of `line` if it has none. By bytes, which is much faster than
    /// by characters.
    private static func endOfKernelWords(_ line: String) -> String.Index {
        var rest = line.utf8[...]
        while true {
            let word = rest.prefix { $0 != blank }
            if word.elementsEqual("--".utf8) { return rest.startIndex }
            guard word.endIndex < rest.endIndex else { return line.endIndex }
            rest = rest[rest.index(after: word.endIndex)...]
        }
    }

    /// Whether `line` names devices to the kernel already.
    static func namesDevices(_ line: String) -> Bool {
        var rest = line.utf8[...]
        while let start = rest.firstIndex(of: UInt8(ascii: "v")) {
            rest = rest[start...]
            if rest.starts(with: "virtio_mmio.device=".utf8) { return true }
            rest = rest.dropFirst()
        }
        return false
    }

    /// Tokens that a device spends, and how they come back.
    package struct Bucket: Hashable, Sendable {
        /// Tokens in a full bucket; 0 is no limit.
        package var size: UInt64
        /// Milliseconds in which an empty bucket fills; 0 is no limit.
        package var refillTime: UInt64
        /// Tokens on top, once.
        package var oneTimeBurst: UInt64

        package init(size: UInt64, refillTime: UInt64, oneTimeBurst: UInt64 = 0) {
            self.size = size
            self.refillTime = refillTime
            self.oneTimeBurst = oneTimeBurst
        }

        var limit: TokenBucketLimit {
            TokenBucketLimit(size: size, refillTime: refillTime, oneTimeBurst: oneTimeBurst)
        }
    }

    /// How many bytes and requests a device may move in a time.
    package struct Limits: Hashable, Sendable {
        package var bandwidth: Bucket?
        package var operations: Bucket?

        package init(bandwidth: Bucket? = nil, operations: Bucket? = nil) {
            self.bandwidth = bandwidth
            self.operations = operations
        }

        var rates: RateLimits {
            RateLimits(bandwidth: bandwidth?.limit, operations: operations?.limit)
        }
    }

    /// A disk of the guest's.
    package struct Drive: Hashable, Sendable {
        package var id: String
        /// A regular file or a block device of the host's.
        package var path: String
        package var isReadOnly = false
        /// Requests go to the kernel all at once (io_uring), not one after the other.
        package var isAsync = false
        /// The guest's flushes wait for the host's medium.
        package var isWriteback = false
        /// The guest may give sectors back, which become holes in the file.
        package var discards = true
        package var limits = Limits()

        package init(id: String, path: String) {
            self.id = id
            self.path = path
        }
    }
}

extension MachineConfiguration {
    /// A file that the guest has as memory: `/dev/pmem0` and so on.
    package struct Pmem: Hashable, Sendable {
        package var id: String
        /// A regular file or a block device of the host's.
        package var path: String
        package var isReadOnly = false
        /// Of flushes; each counts as one request with all bytes of the file.
        package var limits = Limits()

        package init(id: String, path: String) {
            self.id = id
            self.path = path
        }
    }
}

extension BlockConfiguration {
    /// A drive with a queue for each processor, up to eight.
    init(_ drive: MachineConfiguration.Drive, cpuCount: Int) {
        self.init(id: drive.id, path: drive.path)
        isReadOnly = drive.isReadOnly
        engine = drive.isAsync ? .concurrent : .serial
        cache = drive.isWriteback ? .writeback : .lax
        limits = drive.limits.rates
        discards = drive.discards
        queueCount = max(1, min(cpuCount, Self.queueLimit))
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The directories that trees are made in, in memory: `in`, where they belong, and `outside`, which
/// must stay as it is.
enum Ground {
    static let root = "/dev/shm/swiftlet-fuzz-tree-\(getpid())"
    private static let canary = Array("untouched".utf8)
    private static let mode: mode_t = 0o640

    static func prepare() {
        precondition(unsafe mkdir(root, 0o700) == 0)
        precondition(unsafe mkdir(root + "/outside", 0o711) == 0)
        precondition(unsafe mkdir(root + "/in", 0o700) == 0)
        let file = unsafe open(root + "/outside/canary", O_CREAT | O_WRONLY, mode)
        precondition(unsafe write(file, canary, canary.count) == canary.count)
        precondition(fchmod(file, mode) == 0)
        close(file)
        atexit {
            Ground.empty(Ground.root)
            _ = unsafe rmdir(Ground.root)
        }
    }

    /// Empties `in`, and puts a link, a file or a directory there.
    static func clear(_ kind: UInt8) {
        empty(root + "/in")
        precondition(names(root + "/in").isEmpty)
        precondition(unsafe chmod(root + "/in", 0o700) == 0)
        let path = root + "/in/a"
        switch kind {
        case 1: precondition(unsafe symlink("../outside", path) == 0)
        case 2: close(unsafe open(path, O_CREAT | O_WRONLY, 0o600))
        case 3: precondition(unsafe mkdir(path, 0o700) == 0)
        default: break
        }
    }

    /// What was there is there, as it was, and nothing else.
    static func check() {
        precondition(Set(names(root)) == [name("in"), name("outside")])
        precondition(names(root + "/outside") == [name("canary")])
        var status = stat()
        precondition(unsafe lstat(root + "/outside", &status) == 0)
        precondition(status.st_mode == S_IFDIR | 0o711)
        precondition(unsafe lstat(root + "/in", &status) == 0)
        precondition(status.st_mode == S_IFDIR | 0o700)
        let file = unsafe open(root + "/outside/canary", O_RDONLY | O_NOFOLLOW)
        precondition(file >= 0 && fstat(file) == S_IFREG | mode)
        var bytes = [UInt8](repeating: 0, count: canary.count + 1)
        let count = unsafe read(file, &bytes, bytes.count)
        close(file)
        precondition(count == canary.count && bytes.starts(with: canary))
    }

    private static func fstat(_ file: CInt) -> mode_t {
        var status = stat()
        return unsafe Glibc.fstat(file, &status) == 0 ? status.st_mode : 0
    }

    /// A name as the kernel has it, with a zero behind it: it need not be UTF-8.
    private typealias Name = [CChar]

    private static func name(_ text: String) -> Name { Array(text.utf8CString) }

    private static func names(_ path: String) -> [Name] {
        let directory = unsafe open(path, O_RDONLY | O_DIRECTORY)
        defer { close(directory) }
        return names(directory)
    }

    private static func names(_ directory: CInt) -> [Name] {
        guard let stream = unsafe fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY)) else {
            return []
        }
        defer { unsafe closedir(stream) }
        var names: [Name] = []
        while let entry = unsafe readdir(stream) {
            let bytes = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                // SAFETY: the name ends with a zero inside the record.
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
                }
            }
            if bytes != name("."), bytes != name("..") { names.append(bytes) }
        }
        return names
    }

    private static func empty(_ path: String) {
        _ = unsafe chmod(path, 0o700)
        let directory = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        empty(directory)
        close(directory)
    }

    /// From one directory to the next: a path could be longer than the kernel takes.
    private static func empty(_ directory: CInt) {
        for name in names(directory) {
            if unsafe unlinkat(directory, name, 0) == 0 { continue }
            _ = unsafe fchmodat(directory, name, 0o700, 0)
            let inner = unsafe openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            if inner >= 0 {
                empty(inner)
                close(inner)
            }
            _ = unsafe unlinkat(directory, name, AT_REMOVEDIR)
        }
    }
}

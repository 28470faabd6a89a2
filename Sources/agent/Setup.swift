// SPDX-License-Identifier: Apache-2.0
import CGuest

/// What a program expects of a machine, made step by step while the agent has nothing else to do,
/// and in full before the first command.
///
/// A step that fails leaves its part out: a kernel without cgroups still runs commands.
final class Setup {
    private static var noSetUserID: UInt32 { 2 }
    private static var noDevices: UInt32 { 4 }
    private static var noExecution: UInt32 { 8 }
    private static var data: UInt32 { noSetUserID | noDevices }
    private static var pure: UInt32 { noSetUserID | noDevices | noExecution }

    /// Firecracker's boot timer: this byte to the first page of the MMIO gap.
    private static var bootTimerAddress: UInt64 { 0xc000_0000 }
    private static var bootTimerValue: UInt8 { 123 }

    private var step: Int
    private let end = 13
    private let root = Root()

    /// - Parameter isFirstProcess: Without it all is as it should be already.
    init(isFirstProcess: Bool) {
        step = isFirstProcess ? 0 : end
    }

    var isFinished: Bool { step == end }

    func finish() {
        while !isFinished { advance() }
    }

    /// The next step.
    func advance() {
        switch step {
        case 0: mount("proc", "/proc", Self.pure)
        case 1: obeyCommandLine()
        case 2: enterRoot()
        case 3: makeDevices()
        case 4: mount("sysfs", "/sys", Self.pure)
        case 5:
            mount(
                "devpts", "/dev/pts", Self.noSetUserID | Self.noExecution,
                "gid=5,mode=620,ptmxmode=666")
        case 6: mount("tmpfs", "/dev/shm", Self.data, "mode=1777")
        case 7:
            // What a program keeps in /tmp of its own disk stays there.
            if !root.isWritable { mount("tmpfs", "/tmp", Self.data, "mode=1777") }
        case 8: mount("tmpfs", "/run", Self.data, "mode=755")
        case 9: mount("cgroup2", "/sys/fs/cgroup", Self.pure)
        case 10: if !root.isEntered { linkApplets() }
        case 11:
            let name = Array("swiftlet".utf8)
            _ = guest_set_host_name(name.span)
            _ = guest_bring_up_interface(Strings("lo").bytes.span)
            Network.configure()
        default: _ = guest_raise_file_limit(1024, 524_288)
        }
        step += 1
    }

    private func mount(_ type: String, _ target: String, _ flags: UInt32, _ options: String = "") {
        _ = guest_mount(Strings(type, target, type, options).bytes.span, flags)
    }

    private func makeDevices() {
        mount("devtmpfs", "/dev", Self.noSetUserID, "mode=755")
        if let null = Descriptor(guest_open(Strings("/dev/null").bytes.span, 1)) {
            guest_use_as_standard_files(null.number)
        }
        symlink("/proc/self/fd", "/dev/fd")
        symlink("/proc/self/fd/0", "/dev/stdin")
        symlink("/proc/self/fd/1", "/dev/stdout")
        symlink("/proc/self/fd/2", "/dev/stderr")
    }

    private func symlink(_ target: String, _ link: String) {
        _ = guest_symlink(Strings(target, link).bytes.span)
    }

    /// Gives busybox its names; each costs less here than as an entry of the initramfs.
    private func linkApplets() {
        guard let names = contents(of: "/etc/swiftlet/applets"), names.last == 0,
            let directory = Descriptor(guest_open(Strings("/usr/bin").bytes.span, 0))
        else { return }
        guest_link_all(directory.number, names.span)
    }

    private func obeyCommandLine() {
        guard let line = contents(of: "/proc/cmdline") else { return }
        let powersOff = Array("swiftlet.ready=poweroff".utf8)
        let timesBoot = Array("swiftlet.boottimer".utf8)
        for word in line.split(whereSeparator: { $0 <= UInt8(ascii: " ") }) {
            if word.elementsEqual(powersOff) { _ = guest_restart() }
            if word.elementsEqual(timesBoot) { reportBootTime() }
            root.obey(word)
        }
    }

    /// Goes over to the file system that the command line names, if it names one. Without it the
    /// machine is not what was asked for, and ends.
    private func enterRoot() {
        guard root.isWanted else { return }
        mount("devtmpfs", "/dev", Self.noSetUserID, "mode=755")
        let result = root.enter()
        guard result >= 0 else {
            Self.report(
                "swiftlet-agent: the root file system cannot be mounted from \(root.name) "
                    + "(error \(-result)): it must hold ext4, erofs, squashfs, xfs or btrfs, and "
                    + "the kernel must know that; restarting")
            guest_sync()
            _ = guest_restart()
            guest_exit(1)
        }
        mount("proc", "/proc", Self.pure)
    }

    /// Brings the root file system to rest, if it is a disk's: nobody writes to it any more.
    func leaveRoot() { root.leave() }

    private func reportBootTime() {
        mount("devtmpfs", "/dev", Self.noSetUserID, "mode=755")
        _ = guest_poke(Self.bootTimerAddress, Self.bootTimerValue)
    }

    /// Loads the modules that the initramfs lists, one path a line, in order.
    ///
    /// Distribution kernels have vsock as modules; ours has none.
    static func loadModules() {
        guard let paths = contents(of: "/etc/swiftlet/modules") else { return }
        for path in paths.split(separator: UInt8(ascii: "\n")) {
            var strings = Strings()
            strings.append(path)
            guard let file = Descriptor(guest_open(strings.bytes.span, 0)) else { continue }
            _ = guest_load_module(file.number)
        }
    }

    /// Shows a line to whoever watches the console.
    static func report(_ line: String) {
        let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
        if let console = Descriptor(guest_open(Strings("/dev/console").bytes.span, 1)) {
            _ = guest_write(console.number, bytes.span)
        } else if let log = Descriptor(guest_open(Strings("/dev/kmsg").bytes.span, 1)) {
            _ = guest_write(log.number, bytes.span)
        }
    }
}

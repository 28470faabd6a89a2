// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet run`: one command in a machine of its own.
struct RunCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command in a new microVM, which ends with it.",
        usage: "swiftlet run [<options>] [--] <command> [<argument> ...]",
        discussion: """
            The command's output comes as it is written, its input is ours unless that is a \
            terminal (then give -i or -t). Ctrl-C goes to the command; a second one ends the \
            machine, as does Ctrl-] three times within a second when the terminal is the guest's.

            With --kernel and no command, that kernel boots with its console on the terminal.

            With --detach the machine goes on by itself once the command runs: its identifier is \
            printed, and 'swiftlet ps', 'logs', 'exec', 'stop' and 'rm' do the rest. Without a \
            command it waits for those of 'swiftlet exec', until 'swiftlet stop'.

            Examples:
              swiftlet run -- uname -a
              swiftlet run -it -- sh
              swiftlet run --rootfs debian.ext4 --net tap --memory 1G -- apt-get update
              swiftlet run --detach --name web -- httpd -f -p 80
              swiftlet run --detach --name box
              swiftlet run --detach --rm -- sh -c 'make && make install'

            Exit status: the command's own, or 128 and the signal that ended it; 124 after \
            --timeout; 125 if swiftlet failed; 126 if the command cannot be executed; 127 if \
            there is no such command; with --debug-exit, what the guest wrote, modulo 256.
            """)

    @Flag(name: .shortAndLong, help: "Leave the machine to itself, and print its identifier.")
    var detach = false

    @Flag(
        name: .customLong("rm"),
        help: "Remove a detached machine when it ends. Others leave nothing anyway.")
    var removes = false

    @Option(help: "Name of a detached machine; one is made up without.")
    var name: String?

    @Option(help: "Who executes the guest: auto, kvm or soft.")
    var engine: MicroVM.Engine = .auto

    @Option(help: "Virtual processors, 1 to 32.")
    var cpus = 1

    @Option(
        help: "Memory of the guest: 128M, 6G, or a number of MiB.",
        transform: { try MemorySize($0) })
    var memory: MemorySize?

    @Option(
        help: ArgumentHelp(
            "Memory that the guest lends to the host: SIZE[:oom][:report][:hint][:stats=SECONDS].",
            valueName: "size[:...]"),
        transform: { try BalloonConfig(option: $0) })
    var balloon: BalloonConfig?

    @Option(
        help: ArgumentHelp(
            "Memory that the guest can be given while it runs: SIZE[:plug=SIZE].",
            valueName: "size[:plug=size]"),
        transform: { try HotplugOption($0) })
    var hotplug: HotplugOption?

    @Option(help: "Kernel to boot, in place of Swiftlet's own.", completion: .file())
    var kernel: String?

    @Option(help: "Initramfs, in place of Swiftlet's own.", completion: .file())
    var initrd: String?

    @Option(
        help: "Image with the root file system, ext4 or erofs: PATH[:ro].",
        completion: .file(),
        transform: { try DiskArgument($0) })
    var rootfs: DiskArgument?

    @Option(
        name: .customLong("disk"),
        help:
            "File or block device as a disk: PATH[:ro][:id=NAME][:engine=async]. Repeat for more.",
        completion: .file(),
        transform: { try DiskArgument($0) })
    var disks: [DiskArgument] = []

    @Option(
        name: .customLong("pmem"),
        help: "File as persistent memory, /dev/pmem0: PATH[:ro][:id=NAME]. Repeat for more.",
        completion: .file(),
        transform: { try PmemArgument($0) })
    var pmems: [PmemArgument] = []

    @Option(parsing: .unconditionalSingleValue, help: "Words to add to the kernel's command line.")
    var append: [String] = []

    @Option(
        help: ArgumentHelp(
            "Network: none, tap (made for this machine; needs root), or tap=NAME (there already).",
            valueName: "link"),
        transform: { try NetworkOption($0) })
    var net = NetworkOption.none

    @OptionGroup var commandOptions: CommandOptions

    @Option(
        help: "End the machine after so long: 500ms, 10s, 2m, 1h.",
        transform: { try TimeSpan($0) })
    var timeout: TimeSpan?

    @Flag(name: .shortAndLong, help: "Say on standard error what took how long.")
    var verbose = false

    @Flag(help: "Let time go by instructions, so that two runs are the same.")
    var deterministic = false

    @Flag(help: "Let the guest end the machine with an exit status of its own.")
    var debugExit = false

    @Argument(parsing: .captureForPassthrough, help: "The command and its arguments.")
    var command: [String] = []

    mutating func validate() throws {
        let isTerminated = command.first == "--"
        if isTerminated { command.removeFirst() }
        guard (1...Int(MachineConfig.vcpuLimit)).contains(cpus) else {
            throw ValidationError(
                "A machine has from 1 to \(MachineConfig.vcpuLimit) processors, not \(cpus).")
        }
        guard command.first != "" else { throw ValidationError("The command's name is empty.") }
        if let option = command.first, option.hasPrefix("-"), !isTerminated {
            if option == "--help" || option == "-h" { throw CleanExit.helpRequest(self) }
            throw ValidationError("Unknown option '\(JSONError.printable(option))'.")
        }
        guard !command.isEmpty || kernel != nil || detach else {
            throw ValidationError("What is to be run? swiftlet run -- uname -a")
        }
        if let option = idleOption {
            throw ValidationError(
                "A machine without a command has no use for \(option); give it to swiftlet exec.")
        }
        guard detach || name == nil else {
            throw ValidationError("Only a machine that goes on has a name; give --detach too.")
        }
    }

    /// An option about a command that there is none of.
    private var idleOption: String? {
        detach && command.isEmpty ? commandOptions.given : nil
    }

    /// A kernel is booted for itself, with its console on the terminal.
    private var isConsole: Bool { command.isEmpty && !detach }

    func perform() throws(ClientError) -> CInt {
        if detach {
            // As they were written: the supervisor reads them again.
            let words = Array(CommandLine.arguments.dropFirst(2))
            return try Detachment(options: self, arguments: words).perform()
        }
        var timeline = Timeline(start: Swiftlet.start)
        defer { if verbose { CurrentProcess.complain(timeline.text) } }
        let configuration = try machine()
        return isConsole
            ? try ConsoleSession(self, since: timeline.start).run(configuration, &timeline)
            : try CommandSession(self, since: timeline.start).run(configuration, &timeline)
    }

    /// The machine that the options describe.
    func machine() throws(ClientError) -> MicroVM.Configuration {
        var configuration: MicroVM.Configuration
        if let kernel {
            // A kernel alone on the console gets what it is given; one for a command needs an agent.
            configuration = MicroVM.Configuration(
                kernel: kernel,
                initrd: isConsole || initrd != nil ? initrd : try Installation.initrd())
        } else {
            configuration = MicroVM.Configuration(
                kernel: try Installation.kernel(),
                initrd: initrd != nil ? initrd : try Installation.initrd())
        }
        try check(configuration.kernel, "kernel")
        if let initrd = configuration.initrd { try check(initrd, "initramfs") }
        if isConsole {
            configuration.commandLine = MicroVM.Configuration.consoleCommandLine
        } else if kernel == nil {
            configuration.commandLine = MicroVM.Configuration.ownCommandLine
        }
        // What is plugged can be unplugged only if nothing of the kernel's own lies in it.
        let words = hotplug == nil ? append : ["memhp_default_state=online_movable"] + append
        configuration.commandLine = ([configuration.commandLine] + words).joined(separator: " ")
        configuration.cpus = cpus
        if let memory { configuration.memory = memory.mebibytes }
        configuration.balloon = balloon
        configuration.hotplug = hotplug
        configuration.engine = engine
        configuration.network = net.network
        configuration.rootDisk = rootfs.map(MicroVM.Disk.init)
        configuration.disks = disks.map(MicroVM.Disk.init)
        configuration.pmems = pmems.map(MicroVM.Pmem.init)
        configuration.isDeterministic = deterministic
        configuration.hasDebugExit = debugExit
        return configuration
    }

    private func check(_ path: String, _ what: String) throws(ClientError) {
        guard let error = FileSystem.readError(path) else { return }
        throw ClientError(.notInstalled, "the \(what) \(path) cannot be read: \(error)")
    }
}

extension MicroVM.Engine: ExpressibleByArgument {}

extension MicroVM.Pmem {
    fileprivate init(_ argument: PmemArgument) {
        self.init(path: argument.path)
        isReadOnly = argument.isReadOnly
        id = argument.id
    }
}

extension MicroVM.Disk {
    fileprivate init(_ argument: DiskArgument) {
        self.init(path: argument.path)
        isReadOnly = argument.isReadOnly
        id = argument.id
        isAsync = argument.engine == .concurrent
    }
}

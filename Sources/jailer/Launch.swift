// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// When the jailer began. In microseconds, as the monitor is told.
struct LaunchMoment {
    let start = Clock.monotonic / 1000
    let processorTime = Clock.processCPU / 1000
}

/// From the jail's builder to the jailed program.
struct Launch {
    private let arguments: JailerArguments
    private let program: String
    private let moment: LaunchMoment

    init(_ arguments: JailerArguments, program: String, moment: LaunchMoment) {
        self.arguments = arguments
        self.program = program
        self.moment = moment
    }

    /// This process becomes the program. Returns only by throwing.
    func here() throws(JailFailure) {
        try setLimits()
        throw become(parentTime: Clock.processCPU / 1000 &- moment.processorTime)
    }

    private func setLimits() throws(JailFailure) {
        for (resource, value) in arguments.limits {
            let (limit, name): (ProcessSetup.Limit, String) =
                switch resource {
                case .fileSize: (.fileSize, "size of file")
                case .openFiles: (.openFiles, "number of file descriptors")
                }
            do throws(Errno) {
                try ProcessSetup.limit(limit, to: value)
            } catch {
                throw JailFailure("Failed to set limit for resource: \(name): \(error.withNumber)")
            }
        }
    }

    /// Gives up root and executes the program; root again if that fails.
    private func become(parentTime: UInt64) -> JailFailure {
        do throws(Errno) {
            // Root without its capabilities cannot even open a file of another user's.
            if arguments.user != 0 { try ProcessSetup.closeCapabilityBounds() }
            try ProcessSetup.become(user: arguments.user, group: arguments.group)
        } catch {
            return JailFailure("Failed to drop privileges: \(error.withNumber)")
        }
        let words = [
            "/" + program, "--id", arguments.identifier, "--start-time-us", "\(moment.start)",
            "--start-time-cpu-us", "\(Clock.processCPU / 1000)", "--parent-cpu-time-us",
            "\(parentTime)",
        ]
        let error = ProcessSetup.execute(words + arguments.rest)
        try? ProcessSetup.regain()
        return JailFailure("Failed to exec into Firecracker: \(error.withNumber)")
    }

    // MARK: In another process

    /// A child becomes the program, once `prepare` has been told its process number. Returns when
    /// it has.
    ///
    /// - Parameter standardStreams: What a daemon has in place of ours.
    func inChild(
        standardStreams: CInt?, _ prepare: (CInt) throws(JailFailure) -> Void
    ) throws(JailFailure) {
        let parentTime = Clock.processCPU / 1000 &- moment.processorTime
        // As a session's leader we would end it, and a new init(1) would hear the hang-up.
        let leavesSession = arguments.isDaemon || ProcessSetup.isSessionLeader
        let order = try Self.pipe()
        let answer = try Self.pipe()
        let made = try JailFailure.attempt("Failed cloning into a new child process") {
            () throws(Errno) in
            if arguments.hasOwnProcesses { try Namespaces.process.unshare() }
            return try ProcessSetup.fork()
        }
        guard let child = made else {
            let failure = continueInChild(
                order.intoReader(), leavesSession: leavesSession, standardStreams, parentTime)
            _ = try? answer.intoWriter().write(Array(failure.description.utf8)[...])
            ProcessSetup.end(1)
        }
        // A child that is gone is told by what it has not answered.
        Signals.ignoreBrokenPipe()
        let orders = order.intoWriter()
        let answers = answer.intoReader()
        do throws(JailFailure) {
            try prepare(child)
            try JailFailure.attempt("Failed cloning into a new child process") {
                () throws(Errno) in _ = try orders.write([1])
            }
            if let failure = Self.text(from: answers) { throw JailFailure(failure) }
        } catch {
            // Without an order it ends by itself.
            _ = consume orders
            _ = try? ProcessSetup.wait(for: child)
            throw error
        }
    }

    private static func pipe() throws(JailFailure) -> Pipe {
        try JailFailure.attempt("Failed cloning into a new child process") { () throws(Errno) in
            try Pipe()
        }
    }

    /// The child's way to the program; why it did not get there.
    private func continueInChild(
        _ order: consuming FileDescriptor, leavesSession: Bool, _ standardStreams: CInt?,
        _ parentTime: UInt64
    ) -> JailFailure {
        do throws(JailFailure) {
            if leavesSession {
                try JailFailure.attempt("Failed to daemonize: setsid") { () throws(Errno) in
                    try ProcessSetup.makeSession()
                }
            }
            guard Self.isGiven(order) else { ProcessSetup.end(1) }
            if let standardStreams {
                try JailFailure.attempt("Failed to duplicate fd") { () throws(Errno) in
                    try ProcessSetup.replaceStandardStreams(by: standardStreams)
                }
            }
            try setLimits()
        } catch {
            return error
        }
        return become(parentTime: parentTime)
    }

    /// Waits for the order to go on; false if none will come.
    private static func isGiven(_ order: borrowing FileDescriptor) -> Bool {
        var byte: [UInt8] = [0]
        while true {
            do throws(Errno) {
                return try order.read(into: &byte) == 1
            } catch .interrupted {
                continue
            } catch {
                return false
            }
        }
    }

    /// All that comes until the other end is closed; nil: nothing.
    private static func text(from answers: borrowing FileDescriptor) -> String? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while true {
            do throws(Errno) {
                let count = try answers.read(into: &buffer)
                if count == 0 { break }
                bytes += buffer[..<count]
            } catch .interrupted {
                continue
            } catch {
                break
            }
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}

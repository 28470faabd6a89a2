// SPDX-License-Identifier: Apache-2.0
import Driver

@testable import Agent

/// What a hostile agent sends to the host, and a host to the agent.
///
///     FuzzFrames -max_total_time=600 -max_len=4096 CORPUS
@main enum FuzzFrames {
    static func main() { Fuzzer.run(run) }

    /// The first byte says in what pieces the others come.
    static func run(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let stream = bytes.dropFirst()
        let towardsHost = decode(stream, FrameDecoder(), step: 1 + Int(first & 63))
        let towardsAgent = decode(
            stream, FrameDecoder(payloadLimit: AgentProtocol.requestLimit),
            step: 1 + Int(first >> 2))
        // The wider limit takes at least what the narrower one takes.
        precondition(towardsAgent.starts(with: towardsHost))
        for frame in towardsAgent { check(frame) }
    }

    /// All frames up to the end or the first error.
    private static func decode(
        _ stream: ArraySlice<UInt8>, _ start: FrameDecoder, step: Int
    ) -> [Frame] {
        var decoder = start
        var frames: [Frame] = []
        var rest = stream
        while true {
            do throws(FrameError) {
                while let frame = try decoder.next() { frames.append(frame) }
            } catch {
                let first = error
                do throws(FrameError) {
                    _ = try decoder.next()
                } catch {
                    precondition(error == first)
                    return frames
                }
                preconditionFailure("an error was forgotten")
            }
            guard !rest.isEmpty else { return frames }
            let taken = decoder.append(rest.prefix(step))
            precondition(taken > 0, "the decoder takes nothing and says nothing")
            rest = rest.dropFirst(taken)
            precondition(decoder.pendingCount <= stream.count)
        }
    }

    /// What was read is written as what reads the same.
    private static func check(_ frame: Frame) {
        if case .unknown = frame { return }
        guard let bytes = try? frame.encoded() else {
            preconditionFailure("\(frame) cannot be written")
        }
        let again = decode(
            bytes[...], FrameDecoder(payloadLimit: AgentProtocol.requestLimit), step: bytes.count)
        precondition(again == [frame])
    }
}

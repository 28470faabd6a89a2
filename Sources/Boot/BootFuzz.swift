// SPDX-License-Identifier: Apache-2.0

/// What the fuzzer and the tests call with hostile bytes.
package enum BootFuzz {
    /// Plans a start of `bytes` as a kernel by every protocol, in machines small and large.
    /// Never traps; answers how many of the plans came about.
    @discardableResult
    package static func run(_ bytes: Span<UInt8>) -> Int {
        let file = ByteArray(bytes.indices.map { bytes[$0] })
        var plans = 0
        let protocols: [BootProtocol?] = [nil, .linux64, .pvh, .multiboot]
        for entryProtocol in protocols {
            for lowEnd in [32 << 20, 3 << 30] as [UInt64] {
                do throws(BootError) {
                    let plan = try BootImage.plan(
                        kernel: file, entryProtocol: entryProtocol, lowEnd: lowEnd)
                    check(plan, fileSize: bytes.count, lowEnd: lowEnd)
                    plans += 1
                } catch {
                    _ = error.description
                }
            }
        }
        return plans
    }

    /// What must hold for every plan, however hostile the file.
    private static func check(_ plan: KernelPlan, fileSize: Int, lowEnd: UInt64) {
        var end = BootLayout.highMemory
        for segment in plan.segments {
            precondition(segment.file.lowerBound >= 0 && segment.file.upperBound <= fileSize)
            precondition(segment.byteCount >= UInt64(segment.file.count))
            precondition(segment.start >= end && segment.end >= segment.start)
            end = segment.end
        }
        precondition(end <= lowEnd && plan.extent.contains(plan.entry))
        for byteCount in [1, 4096, 20 << 20] {
            guard let start = try? plan.initrdAddress(byteCount: byteCount, lowEnd: lowEnd) else {
                continue
            }
            let range = start..<(start + UInt64(byteCount))
            precondition(range.lowerBound >= BootLayout.highMemory && range.lowerBound % 4096 == 0)
            precondition(range.upperBound <= min(lowEnd, plan.initrdLimit))
            precondition(!range.overlaps(plan.extent))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory

/// A decoded block, by the address of its header; the operations follow the header.
@safe struct Block {
    let address: UInt

    static var headerBytes: UInt { 64 }

    struct Header: BitwiseCopyable {
        /// Guest-physical address of the first instruction.
        var physical: UInt64 = 0
        /// Physical page of the second part, for an instruction across two pages; else all ones.
        var secondPage: UInt64 = .max
        var operationCount: UInt32 = 0
        var mode = CodeMode()
        var isValid = true
        /// Next blocks in the hash chain and in the lists of its pages (0: none).
        var nextInChain: UInt = 0
        var nextInPage: UInt = 0
        var nextInSecondPage: UInt = 0
        /// The 64-byte pieces of each page that its bytes touch.
        var pieces: UInt64 = 0
    }

    @inline(__always) init(_ address: UInt) { self.address = address }
    @inline(__always) init(operations: UInt) { address = operations &- Self.headerBytes }

    @inline(__always) var isValid: Bool { header.isValid }

    var header: Header {
        @inline(__always) _read {
            yield unsafe UnsafeMutablePointer<Header>(bitPattern: address).unsafelyUnwrapped.pointee
        }
        @inline(__always) nonmutating _modify {
            yield unsafe &UnsafeMutablePointer<Header>(bitPattern: address).unsafelyUnwrapped
                .pointee
        }
    }

    /// Address of the first operation.
    @inline(__always) var operations: UInt { address &+ Self.headerBytes }
    var straddles: Bool { header.secondPage != .max }

    /// Makes every operation look its instruction up again.
    func invalidate() {
        header.isValid = false
        for index in 0..<UInt(header.operationCount) {
            let operation = unsafe UnsafeMutablePointer<Operation>(
                bitPattern: operations &+ index &* Operation.stride
            ).unsafelyUnwrapped
            unsafe operation.pointee.handler = BranchHandlers.stale
        }
    }
}

/// One processor's decoded blocks, found by physical address and mode.
///
/// Blocks are laid one behind another and never moved; when the room is used up all are forgotten
/// at once, between two blocks.
final class CodeCache {
    private static let capacity: UInt = 16 << 20
    private static let hashCount = 1 << 15
    /// Most instructions a block holds.
    private static let instructionLimit = 48
    private static let operationLimit = 128
    private static var blockLimit: UInt {
        Block.headerBytes + UInt(operationLimit) * Operation.stride
    }

    private let memory: GuestMemory
    private let codeMap: CodeMap
    private let arena: Mapping
    private let chains: Mapping
    /// First block of each page, by frame number.
    private let pages: Mapping
    private var used: UInt = 0
    /// Blocks decoded since the start, for statistics.
    private(set) var decodedCount: UInt64 = 0

    /// - Parameter hugePages: For a processor that runs much code: a quarter of the page faults of a
    ///   kernel's start were the arena's.
    init(memory: GuestMemory, codeMap: CodeMap, hugePages: Bool) throws(Errno) {
        self.memory = memory
        self.codeMap = codeMap
        arena = try Mapping.anonymous(byteCount: Int(Self.capacity), hugePages: hugePages)
        chains = try Mapping.anonymous(byteCount: Self.hashCount * 8)
        pages = try Mapping.anonymous(byteCount: codeMap.frameCount * 8)
    }

    private func chain(_ physical: UInt64, _ mode: CodeMode) -> UnsafeMutablePointer<UInt> {
        let hash = physical ^ physical >> 15 ^ UInt64(mode.rawValue) << 4
        return unsafe slot(chains.address, Int(hash & UInt64(Self.hashCount - 1)))
    }

    private func slot(_ table: UInt, _ index: Int) -> UnsafeMutablePointer<UInt> {
        unsafe UnsafeMutablePointer<UInt>(bitPattern: table &+ UInt(index) &* 8).unsafelyUnwrapped
    }

    /// The block at a linear address, decoded if need be; nil: an exception is pending, or there is
    /// no room and `mayFlush` is false (then nothing is pending).
    ///
    /// `mayFlush` is false while a block is running.
    func find(_ linear: UInt64, _ cpu: Processor, mayFlush: Bool) -> Block? {
        guard let host = cpu.translateCode(linear) else { return nil }
        let physical = cpu.codePhysical(linear)
        let mode = cpu.state.mode
        var link = unsafe chain(physical, mode)
        while unsafe link.pointee != 0 {
            let block = Block(unsafe link.pointee)
            guard block.header.isValid else {
                // Code that changes itself at each turn would fill the chain with what it was.
                unsafe link.pointee = block.header.nextInChain
                continue
            }
            if block.header.physical == physical, block.header.mode == mode,
                !block.straddles || block.header.secondPage == cpu.secondPage(linear)
            {
                return block
            }
            unsafe link = field(Self.chainOffset, of: block)
        }
        if Self.capacity &- used < Self.blockLimit {
            guard mayFlush else { return nil }
            flush(cpu)
        }
        return decode(linear, physical, host, cpu, limit: Self.instructionLimit)
    }

    /// A block of the one instruction at `linear`, used once and not kept.
    func single(_ linear: UInt64, _ cpu: Processor) -> Block? {
        guard let host = cpu.translateCode(linear) else { return nil }
        if Self.capacity &- used < Self.blockLimit { flush(cpu) }
        let before = used
        let block = decode(linear, cpu.codePhysical(linear), host, cpu, limit: 1, keep: false)
        used = before
        return block
    }

    // MARK: Decoding

    private func decode(
        _ linear: UInt64, _ physical: UInt64, _ host: UInt, _ cpu: Processor, limit: Int,
        keep: Bool = true
    ) -> Block? {
        let block = Block(arena.address &+ used)
        block.header = Block.Header(physical: physical, mode: cpu.state.mode)
        var buffer = BlockBuffer(start: block.operations, capacity: Self.operationLimit)
        let start = Int(linear & 0xfff)
        let frame = codeMap.frame(host)
        // Code is noted before its bytes are read: see CodeMap.
        note(frame, start, min(256, 4096 &- start), cpu)
        var offset = start
        var ended = false
        while !ended, buffer.ordinal < limit, buffer.hasRoom, offset < 4096 {
            buffer.begin(offset: offset)
            var decoder = Decoder(
                bytes: host &- UInt(start) &+ UInt(offset), available: 4096 &- offset,
                mode: cpu.state.mode, output: buffer)
            do throws(DecodeError) {
                try decoder.decodeInstruction()
                buffer = decoder.output
            } catch {
                buffer = decoder.output
                if error == .truncated {
                    buffer.abandon()
                    guard offset == start else { break }
                    return decodeStraddling(linear, physical, host, cpu, block, buffer, keep)
                }
                decoder = replaceInvalid(&buffer, error, decoder)
            }
            buffer.finish(length: decoder.position)
            offset &+= decoder.position
            ended = decoder.endsBlock
        }
        if !ended { appendContinuation(&buffer, offset) }
        // What was noted and read may be more than 256 bytes: note the rest, and look again.
        if offset &- start > 256 { note(frame, start, offset &- start, cpu) }
        block.header.pieces = CodeMap.pieces(offset: start, count: offset &- start)
        return finish(block, buffer, frame, keep)
    }

    /// Makes an undecodable instruction one that raises its exception.
    private func replaceInvalid(
        _ buffer: inout BlockBuffer, _ error: DecodeError, _ decoder: Decoder
    ) -> Decoder {
        let offset = buffer.offset
        buffer.abandon()
        buffer.begin(offset: offset)
        buffer.append(
            Operation(
                handler: error == .tooLong ? FlagHandlers.tooLong : FlagHandlers.invalid))
        var decoder = decoder
        decoder.endsBlock = true
        return decoder
    }

    private func appendContinuation(_ buffer: inout BlockBuffer, _ offset: Int) {
        var operation = Operation(
            handler: offset < 4096 ? BranchHandlers.inPage : BranchHandlers.elsewhere)
        operation.displacement = Int32(offset)
        operation.ordinal = UInt8(truncatingIfNeeded: buffer.ordinal)
        buffer.appendContinuation(operation, offset: offset)
    }

    /// A block of the one instruction that lies in two pages.
    private func decodeStraddling(
        _ linear: UInt64, _ physical: UInt64, _ host: UInt, _ cpu: Processor, _ block: Block,
        _ empty: BlockBuffer, _ keep: Bool
    ) -> Block? {
        let second = (linear | 0xfff) &+ 1
        guard let secondHost = cpu.translateCode(second) else { return nil }
        let start = Int(linear & 0xfff)
        let first = 4096 &- start
        note(codeMap.frame(secondHost), 0, 15, cpu)
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        for index in 0..<15 {
            let place = index < first ? host &+ UInt(index) : secondHost &+ UInt(index &- first)
            bytes[index] = HostAddress(place).load(UInt8.self)
        }
        var buffer = empty
        buffer.begin(offset: start)
        let ended = unsafe withUnsafeBytes(of: &bytes) { raw -> Bool in
            var decoder = Decoder(
                bytes: UInt(bitPattern: raw.baseAddress), available: 15,
                mode: cpu.state.mode, output: buffer)
            do throws(DecodeError) {
                try decoder.decodeInstruction()
                buffer = decoder.output
            } catch {
                buffer = decoder.output
                decoder = replaceInvalid(&buffer, error, decoder)
            }
            buffer.finish(length: decoder.position)
            if !decoder.endsBlock { appendContinuation(&buffer, start &+ decoder.position) }
            return decoder.endsBlock
        }
        _ = ended
        block.header.secondPage = cpu.codePhysical(second) & ~0xfff
        block.header.pieces = CodeMap.pieces(offset: start, count: first) | 1
        let done = finish(block, buffer, codeMap.frame(host), keep)
        if keep {
            let head = unsafe slot(pages.address, codeMap.frame(secondHost))
            block.header.nextInSecondPage = unsafe head.pointee
            unsafe head.pointee = block.address | 1
        }
        return done
    }

    private func finish(_ block: Block, _ buffer: BlockBuffer, _ frame: Int, _ keep: Bool) -> Block
    {
        block.header.operationCount = UInt32(buffer.count)
        guard keep else { return block }
        let chain = unsafe chain(block.header.physical, block.header.mode)
        block.header.nextInChain = unsafe chain.pointee
        unsafe chain.pointee = block.address
        let head = unsafe slot(pages.address, frame)
        block.header.nextInPage = unsafe head.pointee
        unsafe head.pointee = block.address
        used = (buffer.end &- arena.address &+ 63) & ~63
        decodedCount &+= 1
        return block
    }

    private func note(_ frame: Int, _ offset: Int, _ count: Int, _ cpu: Processor) {
        if codeMap.mark(frame: frame, pieces: CodeMap.pieces(offset: offset, count: count)) {
            cpu.vcpu.pageBecameCode(frame)
        }
    }

    // MARK: Forgetting

    /// Invalidates the blocks that touch `pieces` of a page.
    func invalidate(frame: Int, pieces: UInt64) {
        let head = unsafe slot(pages.address, frame)
        var link = unsafe head
        while unsafe link.pointee != 0 {
            let reference = unsafe link.pointee
            // The low bit tells in which of its two pages a straddling block is listed here.
            let isSecond = reference & 1 != 0
            let block = Block(reference & ~1)
            let touched = isSecond ? pieces & 1 : pieces & block.header.pieces
            if touched != 0 || !block.header.isValid {
                if block.header.isValid { block.invalidate() }
                unsafe link.pointee =
                    isSecond ? block.header.nextInSecondPage : block.header.nextInPage
            } else {
                unsafe link = field(isSecond ? Self.secondOffset : Self.pageOffset, of: block)
            }
        }
    }

    /// A reference to another block in the header of `block`.
    private func field(_ offset: UInt, of block: Block) -> UnsafeMutablePointer<UInt> {
        unsafe UnsafeMutablePointer<UInt>(bitPattern: block.address &+ offset).unsafelyUnwrapped
    }

    private static let chainOffset = UInt(
        MemoryLayout<Block.Header>.offset(of: \.nextInChain) ?? 0)
    private static let pageOffset = UInt(
        MemoryLayout<Block.Header>.offset(of: \.nextInPage) ?? 0)
    private static let secondOffset = UInt(
        MemoryLayout<Block.Header>.offset(of: \.nextInSecondPage) ?? 0)

    /// Forgets all blocks. Between two blocks only.
    func flush(_ cpu: Processor) {
        used = 0
        for index in 0..<Self.hashCount { unsafe slot(chains.address, index).pointee = 0 }
        for index in 0..<codeMap.frameCount {
            let head = unsafe slot(pages.address, index)
            if unsafe head.pointee != 0 { unsafe head.pointee = 0 }
        }
        cpu.state.generation &+= 1
        cpu.state.codeKey = cpu.state.generation &<< 8 | UInt64(cpu.state.mode.rawValue)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Where the operations of the block being decoded go: room in the code cache, filled in order.
@safe struct BlockBuffer {
    /// Address of the first operation.
    let start: UInt
    /// Most operations there is room for.
    let capacity: Int
    private(set) var count = 0
    /// Of the instruction being decoded, in its page.
    var offset = 0
    /// Instructions decoded so far, with the present one.
    var ordinal = 0
    /// Operations before the present instruction.
    private(set) var firstOfInstruction = 0

    init(start: UInt, capacity: Int) {
        self.start = start
        self.capacity = capacity
    }

    /// True if another instruction is sure to fit: none makes more operations than 8.
    var hasRoom: Bool { count &+ 10 <= capacity }

    var end: UInt { start &+ UInt(count) &* Operation.stride }

    /// Begins an instruction at `offset` in the page.
    mutating func begin(offset: Int) {
        self.offset = offset
        ordinal &+= 1
        firstOfInstruction = count
    }

    /// Forgets the present instruction.
    mutating func abandon() {
        ordinal &-= 1
        count = firstOfInstruction
    }

    mutating func append(_ operation: Operation) {
        var operation = operation
        operation.offset = UInt16(truncatingIfNeeded: offset)
        operation.ordinal = UInt8(truncatingIfNeeded: ordinal)
        unsafe pointer(count).initialize(to: operation)
        count &+= 1
    }

    /// Ends the block with an operation that belongs to no instruction.
    mutating func appendContinuation(_ operation: Operation, offset: Int) {
        var operation = operation
        operation.offset = UInt16(truncatingIfNeeded: offset)
        unsafe pointer(count).initialize(to: operation)
        count &+= 1
    }

    /// Writes the instruction's length into all its operations.
    mutating func finish(length: Int) {
        for index in firstOfInstruction..<count {
            unsafe pointer(index).pointee.length = UInt8(truncatingIfNeeded: length)
        }
    }

    private func pointer(_ index: Int) -> UnsafeMutablePointer<Operation> {
        unsafe UnsafeMutablePointer<Operation>(
            bitPattern: start &+ UInt(index) &* Operation.stride
        ).unsafelyUnwrapped
    }
}

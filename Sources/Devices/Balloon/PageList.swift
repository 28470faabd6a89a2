// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// The page numbers of one chain, the least first. All lists are read into the same room: none costs an
/// allocation.
struct PageList {
    private(set) var numbers: [UInt32] = []
    private var bytes = [UInt8](repeating: 0, count: Balloon.listLimit * 4)

    init() { numbers.reserveCapacity(Balloon.listLimit) }

    /// Reads what `slices` hold, up to ``Balloon/listLimit`` numbers. One that is cut off is none.
    mutating func read(_ slices: borrowing GuestSlices) {
        let size = slices.copyOut(
            at: 0, count: min(slices.byteCount, bytes.count), into: &bytes, at: 0)
        numbers.removeAll(keepingCapacity: true)
        for index in 0..<size / 4 {
            var number: UInt32 = 0
            for place in 0..<4 { number |= UInt32(bytes[index * 4 + place]) << UInt32(place * 8) }
            numbers.append(number)
        }
        sort()
    }

    /// A heap sort. The standard library's makes room for half of what it sorts.
    private mutating func sort() {
        var root = numbers.count / 2
        while root > 0 {
            root -= 1
            sink(root, below: numbers.count)
        }
        var end = numbers.count
        while end > 1 {
            end -= 1
            numbers.swapAt(0, end)
            sink(0, below: end)
        }
    }

    /// Lets the number at `start` change places with larger ones under it, in the heap that ends
    /// before `end`.
    private mutating func sink(_ start: Int, below end: Int) {
        var place = start
        while place * 2 + 1 < end {
            var child = place * 2 + 1
            if child + 1 < end, numbers[child + 1] > numbers[child] { child += 1 }
            guard numbers[child] > numbers[place] else { return }
            numbers.swapAt(place, child)
            place = child
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Rows of words in columns, each as wide as its widest word.
struct Table {
    private var rows: [[String]]

    init(_ titles: String...) { rows = [titles] }

    mutating func add(_ row: String...) { rows.append(row) }

    var text: String {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = ""
            for (column, word) in row.enumerated() {
                line += word
                guard column < row.count - 1 else { continue }
                line += String(repeating: " ", count: widths[column] - word.count + 3)
            }
            return line + "\n"
        }.joined()
    }
}

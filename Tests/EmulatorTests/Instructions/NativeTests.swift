// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Emulator

@Suite struct NativeTests {
    @Test(arguments: NativeTable.allCases, [true, false])
    func `Integer instructions do what a processor did`(
        _ table: NativeTable, stepping: Bool
    ) throws {
        let rig = try NativeRig()
        let rows = table.rows
        #expect(rows.count >= 60)
        for row in rows {
            let differences = try rig.differences(row, stepping: stepping)
            #expect(differences.isEmpty, "\(row.text): \(differences)")
        }
    }
}

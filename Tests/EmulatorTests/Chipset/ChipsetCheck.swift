// SPDX-License-Identifier: Apache-2.0
import Testing

/// As `#expect(value == expected)`, for values that come out of mutating calls.
func check<Value: Equatable>(
    _ value: Value, _ expected: Value, _ comment: Comment? = nil,
    at location: SourceLocation = #_sourceLocation
) {
    #expect(value == expected, comment, sourceLocation: location)
}

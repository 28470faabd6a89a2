// SPDX-License-Identifier: Apache-2.0

/// How often each form has been judged.
struct JudgeCoverage {
    private var cases: [UInt32]
    private var completed: [UInt32]
    private var places: [UInt16]
    let forms: [JudgeForm]

    init(_ forms: [JudgeForm]) {
        self.forms = forms
        cases = Array(repeating: 0, count: forms.count)
        completed = cases
        places = Array(repeating: .max, count: 1 << 18)
        for (place, form) in forms.enumerated() { places[Self.key(form)] = UInt16(place) }
    }

    private static func key(_ form: JudgeForm) -> Int {
        let prefix = form.prefix == 0 ? 0 : form.prefix == 0x66 ? 1 : form.prefix == 0xf3 ? 2 : 3
        let modes = form.isMemory == nil ? 0 : form.isMemory == true ? 1 : 2
        var key = Int(form.opcode) | Int(form.map) << 8 | (form.is32 ? 1 << 10 : 0)
        // x87 instructions on registers have no prefix, but ModRM.rm.
        if let low = form.low {
            key |= Int(low) << 11 | 1 << 17
            return key | Int(form.group ?? 0) << 14
        }
        key |= prefix << 11
        key |= Int(form.group ?? 0) << 14
        return modes == 2 ? key | 1 << 13 : key
    }

    /// Notes that a case of `form` has ended in `state`.
    mutating func note(_ form: JudgeForm, _ state: JudgedState) {
        let place = Int(places[Self.key(form)])
        guard place < forms.count else { return }
        cases[place] &+= 1
        if state.vector == JudgedState.Ending.none { completed[place] &+= 1 }
    }

    /// Of a form: cases, and how many of them raised no exception.
    func count(_ place: Int) -> (cases: Int, completed: Int) {
        (Int(cases[place]), Int(completed[place]))
    }
}

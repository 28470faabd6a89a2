// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control

/// What `--net` says.
enum NetworkOption: Hashable {
    case none
    case own
    case tap(String)

    /// Reads `none`, `tap` or `tap=NAME`.
    init(_ text: String) throws {
        let name = "tap="
        if text == "none" {
            self = .none
        } else if text == "tap" {
            self = .own
        } else if text.hasPrefix(name), text.utf8.count > name.utf8.count {
            self = .tap(String(text.dropFirst(name.count)))
        } else {
            throw ValidationError(
                "'\(JSONError.printable(text))' is no network; write none, tap or tap=NAME.")
        }
    }

    var network: MicroVM.Network? {
        switch self {
        case .none: nil
        case .own: .own
        case .tap(let name): .tap(name)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Which table an opcode byte selects from. Intel SDM 2, 2.1.2 and A.3.
enum OpcodeMap {
    case x0F, x0F38, x0F3A
}

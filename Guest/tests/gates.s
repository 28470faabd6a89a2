# SPDX-License-Identifier: Apache-2.0
# Goes to long mode and on to user mode, and comes back by an interrupt gate and by a page fault;
# each time it says which, and its privilege level.
        .include "long.inc"
main:   longmode 0x500
        # Gates for user mode.
        gate64  0x80, gated, 0xee
        gate64  0x81, ended, 0xee
        enteruser

gated:  movb    $'g', %bl
        call    level
        iretq

user:   int     $0x80
        # Eight bytes.
        movb    $0, 0x60000000
        int     $0x80
        int     $0x81
        ud2
userend:

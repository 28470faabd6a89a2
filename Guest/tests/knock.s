# SPDX-License-Identifier: Apache-2.0
# Writes one, two and four bytes to the doorbell at 0xd0000050.
        .include "guest.inc"
main:   movl    $0x12345678, %eax
        movb    %al, 0xd0000050
        movw    %ax, 0xd0000050
        movl    %eax, 0xd0000050
        say     "knock\n"
        end     10

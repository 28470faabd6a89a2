# SPDX-License-Identifier: Apache-2.0
# POPCNT, which KVM's emulator does not know, in the shadows of STI and of a move to SS: it is no
# invalid opcode there. UD2 is one.
        .include "guest.inc"
main:
        gate    0x06, invalid
        lidt    idtr
        pics    0x00
        movl    $0xff, %edx
        movl    $0xf, %edi
        sti
        popcntl %edx, %ebp
        cli
        movw    %ss, %ax
        movw    %ax, %ss
        popcntl %edi, %edi
        sayhex  %ebp
        sayhex  %edi
        ud2
        say     "shadow\n"
        end     9

# Of UD2 alone; else the guest ends here.
invalid:
        say     "invalid "
        movl    (%esp), %eax
        cmpw    $0x0b0f, (%eax)
        jne     1f
        addl    $2, (%esp)
        iret
1:      end     1

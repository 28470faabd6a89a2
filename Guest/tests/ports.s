# SPDX-License-Identifier: Apache-2.0
# Ports of each width, alone and by string instructions. Port 0x500 gives back what it was given,
# port 0x504 counts its reads.
        .include "guest.inc"
main:
        movl    $0x12345678, %eax
        movw    $0x500, %dx
        outl    %eax, %dx
        xorl    %eax, %eax
        inl     %dx, %eax
        sayhex  %eax
        movw    $0x500, %dx
        movl    $0xffffabcd, %eax
        outw    %ax, %dx
        movl    $0xeeeeeeee, %eax
        inw     %dx, %ax
        sayhex  %eax
        movw    $0x500, %dx
        movb    $0x5a, %al
        outb    %al, %dx
        movl    $0xeeeeeeee, %eax
        inb     %dx, %al
        sayhex  %eax
        movw    $0x504, %dx
        movl    $room, %edi
        movl    $4, %ecx
        cld
        rep insl
        sayhex  room
        sayhex  room + 12
        movw    $0x500, %dx
        movl    $room, %esi
        movl    $8, %ecx
        rep outsw
        movw    $0x500, %dx
        xorl    %eax, %eax
        inl     %dx, %eax
        sayhex  %eax
        # Nobody is there.
        movw    $0x700, %dx
        inb     %dx, %al
        movzbl  %al, %eax
        sayhex  %eax
        say     "ports\n"
        end     1
        .data
room:   .fill   16, 1, 0

# SPDX-License-Identifier: Apache-2.0
# Exceptions, software interrupts, and lines 3 and 4 of the 8259, which a byte to port 0x510 makes
# the host pulse.
        .include "guest.inc"
main:
        gate    0x06, invalid
        gate    0x0d, protection
        gate    0x23, third
        gate    0x24, fourth
        gate    0x80, software
        lidt    idtr
        pics    0x18
        int     $0x80
        ud2
        movw    $0xfff8, %ax
        movw    %ax, %es
        sti
        movl    $100, %ebp
1:      movb    $3, %al
        movw    $0x510, %dx
        outb    %al, %dx
        movb    $4, %al
        outb    %al, %dx
        decl    %ebp
        jnz     1b
2:      cmpl    $100, counts
        jne     2b
3:      cmpl    $100, counts + 4
        jne     3b
        cli
        sayhex  counts
        sayhex  counts + 4
        # Masked by IF: it waits, and comes once.
        movb    $4, %al
        movw    $0x510, %dx
        outb    %al, %dx
        sayhex  counts + 4
        sti
        nop
4:      cmpl    $101, counts + 4
        jne     4b
        sayhex  counts + 4
        say     "interrupts\n"
        end     3

software:
        say     "software "
        iret
invalid:
        addl    $2, (%esp)
        say     "invalid "
        iret
protection:
        popl    %eax
        addl    $2, (%esp)
        sayhex  %eax
        iret
third:  pushl   %eax
        incl    counts
        movb    $0x20, %al
        outb    %al, $0x20
        popl    %eax
        iret
fourth: pushl   %eax
        incl    counts + 4
        movb    $0x20, %al
        outb    %al, $0x20
        popl    %eax
        iret
        .data
counts: .long   0, 0

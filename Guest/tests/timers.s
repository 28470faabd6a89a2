# SPDX-License-Identifier: Apache-2.0
# Five ticks of the PIT through the 8259, then five of the local APIC's timer, halted between them.
        .include "guest.inc"
main:
        gate    0x20, tick
        gate    0x40, beat
        gate    0x4f, spurious
        lidt    idtr
        pics    0x01
        # Counter 0, mode 2, 1193 of 1193182 Hz: each millisecond.
        movb    $0x34, %al
        outb    %al, $0x43
        movb    $(1193 & 0xff), %al
        outb    %al, $0x40
        movb    $(1193 >> 8), %al
        outb    %al, $0x40
1:      sti
        hlt
        cli
        cmpl    $5, ticks
        jb      1b
        movb    $0xff, %al
        outb    %al, $0x21
        say     "pit "
        # Software-enabled; periodic, divided by 1.
        movl    $0x14f, APIC + 0xf0
        movl    $0xb, APIC + 0x3e0
        movl    $0x20040, APIC + 0x320
        movl    $1000000, APIC + 0x380
2:      sti
        hlt
        cli
        cmpl    $5, beats
        jb      2b
        movl    $0x10040, APIC + 0x320
        # One shot.
        movl    $0, beats
        movl    $0x40, APIC + 0x320
        movl    $1000000, APIC + 0x380
3:      sti
        hlt
        cli
        cmpl    $1, beats
        jb      3b
        sayhex  APIC + 0x390
        say     "apic\n"
        end     4

tick:   pushl   %eax
        incl    ticks
        movb    $0x20, %al
        outb    %al, $0x20
        popl    %eax
        iret
beat:   incl    beats
        movl    $0, APIC + 0xb0
spurious:
        iret
        .data
ticks:  .long   0
beats:  .long   0

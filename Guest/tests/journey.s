# SPDX-License-Identifier: Apache-2.0
# Counts the PIT's ticks and says each; keeps what must survive a move in every kind of register
# that it has. It asks to be moved by a byte to port 0x540, and ends when it has been.
        .include "guest.inc"
main:
        gate    0x20, tick
        gate    0x40, beat
        gate    0x4f, spurious
        lidt    idtr
        pics    0x01
        movb    $0x34, %al
        outb    %al, $0x43
        movb    $(2386 & 0xff), %al
        outb    %al, $0x40
        movb    $(2386 >> 8), %al
        outb    %al, $0x40
        movl    $0x14f, APIC + 0xf0
        movl    $0xb, APIC + 0x3e0
        movl    $0x20040, APIC + 0x320
        movl    $2000000, APIC + 0x380
        fldpi
        movl    $0x1234, %eax
        movl    %eax, %dr0
        movl    $0x174, %ecx
        xorl    %edx, %edx
        movl    $0x5678, %eax
        wrmsr
        movl    $0xa5a5a5a5, %ebp
        movl    $3, %edi
        call    wait
        movw    $0x540, %dx
        outb    %al, %dx
        movl    $6, %edi
        call    wait
        movl    %dr0, %eax
        sayhex  %eax
        movl    $0x174, %ecx
        rdmsr
        sayhex  %eax
        fldpi
        fcomip
        jne     1f
        say     "same "
1:      sayhex  %ebp
        say     "journey\n"
        end     7

# Until there have been as many ticks and beats as EDI says.
wait:   sti
        hlt
        cli
        cmpl    %edi, ticks
        jb      wait
        cmpl    %edi, beats
        jb      wait
        ret

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

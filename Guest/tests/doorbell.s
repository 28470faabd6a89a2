# SPDX-License-Identifier: Apache-2.0
# Rings a doorbell at 0xd0000050 as often as port 0x530 says; at each 64th ring it waits for line 3
# to answer. Each ring and each acknowledgement is an exit; hosts that emulate guest kernels have little
# else to do.
        .include "guest.inc"
main:
        gate    0x23, answer
        lidt    idtr
        pics    0x08
        movw    $0x530, %dx
        inl     %dx, %eax
        movl    %eax, %ebp
        xorl    %edi, %edi
1:      .rept   64
        movl    %ebp, 0xd0000050
        .endr
        subl    $64, %ebp
        # Say that an answer is due, and wait for it.
        incl    %edi
        movw    $0x534, %dx
        movl    %edi, %eax
        outl    %eax, %dx
2:      cli
        cmpl    %edi, answers
        jae     3f
        sti
        hlt
        jmp     2b
3:      testl   %ebp, %ebp
        jnz     1b
        sayhex  answers
        say     "doorbell\n"
        end     6
answer: pushl   %eax
        incl    answers
        movb    $0x20, %al
        outb    %al, $0x20
        popl    %eax
        iret
        .data
answers:
        .long   0

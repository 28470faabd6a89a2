# SPDX-License-Identifier: Apache-2.0
# The first processor starts the second, which halts, and asks to be moved by a byte to port 0x540.
# Then it starts the third, and wakes the second by an interrupt.
        .include "guest.inc"
main:
        gate    0x4f, spurious
        gate    0x60, wake
        lidt    idtr
        pics    0x00
        movl    $0x14f, APIC + 0xf0
        movl    $0x01000000, %ebp
        call    start
1:      cmpl    $1, come
        jne     1b
        movw    $0x540, %dx
        outb    %al, %dx
        movl    $0x02000000, %ebp
        call    start
2:      cmpl    $2, come
        jne     2b
        movl    $0x01000000, APIC + 0x310
        movl    $0x4060, APIC + 0x300
3:      cmpl    $1, woken
        jne     3b
        sayhex  come
        sayhex  identities
        sayhex  woken
        say     "relay\n"
        end     11

# INIT and a start-up message for page 0x12 to the processor that EBP names.
start:  movl    %ebp, APIC + 0x310
        movl    $0x4500, APIC + 0x300
1:      testl   $0x1000, APIC + 0x300
        jnz     1b
        movl    %ebp, APIC + 0x310
        movl    $0x4612, APIC + 0x300
2:      testl   $0x1000, APIC + 0x300
        jnz     2b
        ret

wake:   lock incl woken
        movl    $0, APIC + 0xb0
spurious:
        iret

        .data
come:   .long   0
identities:
        .long   0
woken:  .long   0

        .include "ap.inc"
        movw    %ax, %ss
        lidt    idtr
        movl    $0x14f, APIC + 0xf0
        # The identity's bit, and a stack of its own.
        movl    APIC + 0x20, %ecx
        shrl    $24, %ecx
        lock btsl %ecx, identities
        shll    $8, %ecx
        leal    0x8000(%ecx), %esp
        sti
        lock incl come
1:      hlt
        jmp     1b

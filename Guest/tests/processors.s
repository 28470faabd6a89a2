# SPDX-License-Identifier: Apache-2.0
# The first processor starts all others by INIT and start-up messages, waits until as many have
# come as port 0x520 says, and gets an interrupt from each.
        .include "guest.inc"
main:
        # A vector for each, as interrupts of the same vector become one.
        .altmacro
        .set    vector, 0x50
        .rept   32
        gate    %vector, greeting
        .set    vector, vector + 1
        .endr
        .noaltmacro
        gate    0x4f, spurious
        lidt    idtr
        pics    0x00
        movl    $0x14f, APIC + 0xf0
        movw    $0x520, %dx
        inl     %dx, %eax
        movl    %eax, others
        # To all but this one: INIT, then begin at page 0x12.
        movl    $0xc4500, APIC + 0x300
1:      testl   $0x1000, APIC + 0x300
        jnz     1b
        movl    $0xc4612, APIC + 0x300
2:      testl   $0x1000, APIC + 0x300
        jnz     2b
3:      movl    come, %eax
        cmpl    others, %eax
        jb      3b
        sti
4:      movl    greetings, %eax
        cmpl    others, %eax
        jb      4b
        cli
        sayhex  come
        sayhex  greetings
        sayhex  identities
        say     "processors\n"
        end     5

greeting:
        lock incl greetings
        movl    $0, APIC + 0xb0
spurious:
        iret

        .data
others: .long   0
come:   .long   0
greetings:
        .long   0
identities:
        .long   0

        .include "ap.inc"
        movl    $0x14f, APIC + 0xf0
        # The identities' bits, each once.
        movl    APIC + 0x20, %ecx
        shrl    $24, %ecx
        lock btsl %ecx, identities
        lock incl come
        # A fixed interrupt to processor 0, with a vector of its own.
        movl    $0, APIC + 0x310
        addl    $0x4050, %ecx
        movl    %ecx, APIC + 0x300
1:      cli
        hlt
        jmp     1b

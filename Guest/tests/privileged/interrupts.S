# SPDX-License-Identifier: Apache-2.0
# Interrupt controllers: the local APIC's timer, self-interrupts, priorities, NMI, 8259s and 8254.

.include "guest.inc"

.set APIC, 0xfee00000

main:
    lea rax, [rip + take]
    mov [rip + hook], rax
    # The APIC's page, in 2 MiB.
    mov rbx, cr3
    and rbx, ~0xfff
    mov rbx, [rbx]
    and rbx, ~0xfff
    lea rax, [rip + directory]
    or eax, 3
    mov [rbx + 24], rax
    mov eax, 0xfee00000 | 0x9b
    mov [rip + directory + 503 * 8], rax
    mov rax, cr3
    mov cr3, rax
    mov ebx, APIC
    mov eax, 0x1ff
    mov [rbx + 0xf0], eax

    call itself
    call priority
    call shadow
    call timer
    call nonmaskable
    call legacy
    ret

# Sends vector CL to this processor.
send:
    movzx ecx, cl
    or ecx, 0x44000
    mov dword ptr [rbx + 0x310], 0
    mov [rbx + 0x300], ecx
    ret

# Says which vectors have come, in order.
.macro CAME text
    SAY "\text:"
    call print_came
.endm

print_came:
    push rcx
    push rdx
    xor edx, edx
1:
    cmp edx, [rip + count]
    jae 2f
    lea rcx, [rip + came]
    movzx eax, byte ptr [rcx + rdx]
    SHOW " ", rax
    inc edx
    jmp 1b
2:
    mov dword ptr [rip + count], 0
    call print_line
    pop rdx
    pop rcx
    ret

itself:
    cli
    mov cl, 0x40
    call send
    CAME "with interrupts off"
    mov eax, [rbx + 0x220]
    SHOW "requested ", rax
    call print_line
    sti
    nop
    nop
    cli
    CAME "with interrupts on"
    mov eax, [rbx + 0x220]
    SHOW "requested ", rax
    mov eax, [rbx + 0x120]
    SHOW " in service ", rax
    call print_line
    ret

priority:
    # Three at once: the highest comes first, and each interrupts the next.
    mov cl, 0x41
    call send
    mov cl, 0x61
    call send
    mov cl, 0x51
    call send
    sti
    nop
    nop
    nop
    cli
    CAME "three at once"
    # The task priority keeps back its class and those below.
    mov dword ptr [rbx + 0x80], 0x50
    mov cl, 0x42
    call send
    mov cl, 0x52
    call send
    mov cl, 0x62
    call send
    sti
    nop
    nop
    cli
    CAME "above priority 5"
    mov eax, [rbx + 0xa0]
    SHOW "processor priority ", rax
    call print_line
    mov eax, 4
    mov cr8, rax
    sti
    nop
    nop
    cli
    CAME "above priority 4"
    mov eax, [rbx + 0x80]
    SHOW "task priority ", rax
    call print_line
    xor eax, eax
    mov cr8, rax
    sti
    nop
    nop
    cli
    CAME "above none"
    # One in service keeps back others of its class until its end.
    mov dword ptr [rip + late], 1
    mov cl, 0x43
    call send
    sti
    nop
    nop
    cli
    mov cl, 0x44
    call send
    sti
    nop
    nop
    cli
    CAME "while one of the class is in service"
    mov dword ptr [rip + late], 0
    mov dword ptr [rbx + 0xb0], 0
    sti
    nop
    nop
    cli
    CAME "after its end"
    ret

shadow:
    # The instruction after STI runs before an interrupt that waits.
    mov qword ptr [rip + mark], 0
    mov cl, 0x45
    call send
    sti
    mov qword ptr [rip + mark], 1
    nop
    cli
    SHOW "mark when the interrupt came ", [rip + seen]
    call print_line
    CAME "behind STI"
    mov cl, 0x46
    call send
    sti
    cli
    CAME "between STI and CLI"
    sti
    nop
    nop
    cli
    CAME "later"
    ret

timer:
    # One shot, waited for in HLT.
    mov dword ptr [rbx + 0x3e0], 0xb
    mov dword ptr [rbx + 0x320], 0x70
    mov dword ptr [rbx + 0x380], 100000
1:
    sti
    hlt
    cli
    cmp dword ptr [rip + count], 1
    jb 1b
    CAME "one shot"
    mov eax, [rbx + 0x390]
    SHOW "count left ", rax
    call print_line
    # Periodic, until three have come.
    mov dword ptr [rbx + 0x320], 0x20071
    mov dword ptr [rbx + 0x380], 2000000
2:
    sti
    hlt
    cli
    cmp dword ptr [rip + count], 3
    jb 2b
    mov dword ptr [rbx + 0x380], 0
    mov dword ptr [rip + count], 3
    CAME "periodic"
    # Masked: nothing comes.
    mov dword ptr [rbx + 0x320], 0x10072
    mov dword ptr [rbx + 0x380], 1000
3:
    mov eax, [rbx + 0x390]
    test eax, eax
    jnz 3b
    sti
    nop
    cli
    CAME "masked"
    ret

nonmaskable:
    mov dword ptr [rbx + 0x310], 0
    mov dword ptr [rbx + 0x300], 0x44400
    nop
    nop
    CAME "NMI"
    ret

legacy:
    # 8259s at 0x20 and 0x28, only the timer open; 8254 counter 0 in mode 0.
    mov dword ptr [rbx + 0x350], 0x700
    mov al, 0x11
    out 0x20, al
    out 0xa0, al
    mov al, 0x20
    out 0x21, al
    mov al, 0x28
    out 0xa1, al
    mov al, 4
    out 0x21, al
    mov al, 2
    out 0xa1, al
    mov al, 1
    out 0x21, al
    out 0xa1, al
    mov al, 0xff
    out 0xa1, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0x30
    out 0x43, al
    mov al, 0x00
    out 0x40, al
    mov al, 0x04
    out 0x40, al
1:
    sti
    hlt
    cli
    cmp dword ptr [rip + count], 1
    jb 1b
    CAME "interval timer"
    in al, 0x21
    movzx eax, al
    SHOW "mask ", rax
    mov al, 0x0b
    out 0x20, al
    in al, 0x20
    movzx eax, al
    SHOW " in service ", rax
    mov al, 0x20
    out 0x20, al
    in al, 0x20
    movzx eax, al
    SHOW " after its end ", rax
    call print_line
    ret

# Vectors from 0x20 on, and NMI, are interrupts: noted and ended.
take:
    xor ecx, ecx
    cmp eax, 2
    je 1f
    cmp eax, 0x20
    jb 3f
1:
    mov edx, [rip + count]
    cmp edx, 60
    jae 2f
    lea rcx, [rip + came]
    mov [rcx + rdx], al
    inc dword ptr [rip + count]
2:
    mov rdx, [rip + mark]
    mov [rip + seen], rdx
    mov ecx, 1
    cmp eax, 0x40
    jb 3f
    cmp dword ptr [rip + late], 0
    jne 3f
    mov dword ptr [rbx + 0xb0], 0
3:
    ret

.data
.balign 8
count: .long 0
late: .long 0
mark: .quad 0
seen: .quad 0
came: .skip 64
.bss
.balign 4096
directory: .skip 4096

# SPDX-License-Identifier: Apache-2.0
# Single steps and debug registers.

.include "guest.inc"

main:
    lea rax, [rip + count_step]
    mov [rip + hook], rax
    # Six instructions run with the trap flag set, the last of which clears it.
    pushf
    or dword ptr [rsp], 0x100
    popf
    nop
    mov eax, 1
    add eax, 2
    call nothing
    pushf
    and dword ptr [rsp], ~0x100
    popf
    nop
    SHOW "steps ", [rip + steps]
    SHOW " sum ", [rip + places]
    SHOW " dr6 ", [rip + status]
    call print_line

    mov qword ptr [rip + hook], 0
    TRY "breakpoint instruction of one byte"
    .byte 0xf1
    DONE

    # A breakpoint on an instruction is a fault before it.
    lea rax, [rip + target]
    mov dr0, rax
    mov eax, 0x401
    mov dr7, rax
    TRY "breakpoint on an instruction"
    nop
target:
    nop
    DONE
    mov rax, dr7
    SHOW "dr7 ", rax
    call print_line

    # One on data is a trap behind the access.
    lea rax, [rip + watched]
    mov dr1, rax
    mov eax, 0x400 | 4 | 0xd << 20
    mov dr7, rax
    TRY "write to watched data"
    mov dword ptr [rip + watched], 5
    nop
    DONE
    TRY "write beside watched data"
    mov dword ptr [rip + watched + 4], 5
    DONE
    TRY "read of data watched for writes"
    mov eax, [rip + watched]
    DONE
    mov eax, 0x400 | 4 | 0xf << 20
    mov dr7, rax
    TRY "read of watched data"
    mov eax, [rip + watched]
    nop
    DONE
    mov eax, 0x400
    mov dr7, rax

    # General detection.
    mov eax, 0x2400
    mov dr7, rax
    TRY "debug register under detection"
    mov rax, dr0
    DONE
    mov rax, dr7
    SHOW "dr7 ", rax
    call print_line
    mov rax, cr4
    bts rax, 3
    mov cr4, rax
    TRY "DR4 with debugging extensions"
    .byte 0x0f, 0x21, 0xe0
    DONE
    mov rax, cr4
    btr rax, 3
    mov cr4, rax
    TRY "DR7 with its upper half"
    mov rax, 0x100000400
    mov dr7, rax
    DONE
    ret

nothing:
    ret

# RAX is the vector; the frame of the exception begins 48 + 8 above.
count_step:
    xor ecx, ecx
    cmp eax, 1
    jne 1f
    inc qword ptr [rip + steps]
    mov rax, [rsp + 56]
    lea rdx, [rip + main]
    sub rax, rdx
    add [rip + places], rax
    mov rax, dr6
    or [rip + status], rax
    mov eax, 0xffff0ff0
    mov dr6, rax
    mov ecx, 1
1:
    ret

.data
.balign 16
steps: .quad 0
places: .quad 0
status: .quad 0
watched: .quad 0, 0

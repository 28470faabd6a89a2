# SPDX-License-Identifier: Apache-2.0
# Exceptions: vectors, codes, what they leave, priorities, the interrupt stack, double faults.

.include "guest.inc"

main:
    call faults
    call selectors
    call units
    call stacks
    call returns
    ret

faults:
    TRY "division by zero"
    xor ecx, ecx
    mov eax, 1
    cdq
    div ecx
    DONE
    TRY "quotient too large"
    mov edx, 1
    mov eax, 0
    mov ecx, 1
    div ecx
    DONE
    TRY "undefined opcode"
    ud2
    DONE
    TRY "breakpoint"
    int3
    DONE
    TRY "software interrupt"
    int 0x55
    DONE
    TRY "lock where it cannot be"
    .byte 0xf0, 0x90 + 0x68
    DONE
    TRY "write to a read-only model-specific register"
    mov ecx, 0xfe
    xor eax, eax
    xor edx, edx
    wrmsr
    DONE
    TRY "read of a model-specific register that is not there"
    mov ecx, 0xdead
    rdmsr
    DONE
    TRY "CR8 too large"
    mov eax, 16
    mov cr8, rax
    DONE
    TRY "CR0 without protection but with paging"
    mov rax, cr0
    and eax, ~1
    mov cr0, rax
    DONE
    TRY "CR4 without PAE in long mode"
    mov rax, cr4
    btr rax, 5
    mov cr4, rax
    DONE
    TRY "reserved bit of CR4"
    mov rax, cr4
    bts rax, 40
    mov cr4, rax
    DONE
    TRY "EFER with a bit that is reserved"
    mov ecx, 0xc0000080
    rdmsr
    bts eax, 1
    wrmsr
    DONE
    ret

selectors:
    TRY "data segment beyond the table"
    mov eax, 0xf8
    mov ds, eax
    DONE
    TRY "data segment that is not present"
    mov eax, ABSENT_DATA
    mov ds, eax
    DONE
    TRY "stack segment that is not present"
    mov eax, ABSENT_DATA
    mov ss, eax
    DONE
    TRY "stack segment that is code"
    mov eax, KERNEL_CODE
    mov ss, eax
    DONE
    TRY "stack segment of another level"
    mov eax, USER_DATA
    mov ss, eax
    DONE
    TRY "task register with data"
    mov eax, KERNEL_DATA
    ltr ax
    DONE
    TRY "task register that is busy"
    mov eax, TASK
    ltr ax
    DONE
    TRY "local table with data"
    mov eax, KERNEL_DATA
    lldt ax
    DONE
    TRY "return to a null selector"
    push 0
    lea rax, [rip + 77f]
    push rax
    rex.w retf
    DONE
    TRY "return to data"
    push KERNEL_DATA
    lea rax, [rip + 77f]
    push rax
    rex.w retf
    DONE
    # A gate that is not there, one of no type, one that leads to data.
    and byte ptr [rip + idt + 0x60 * 16 + 5], 0x7f
    mov byte ptr [rip + idt + 0x61 * 16 + 5], 0x80
    mov word ptr [rip + idt + 0x62 * 16 + 2], KERNEL_DATA
    mov word ptr [rip + idt + 0x63 * 16 + 2], 0
    TRY "interrupt through a gate that is not present"
    int 0x60
    DONE
    TRY "interrupt through a gate of no type"
    int 0x61
    DONE
    TRY "interrupt through a gate to data"
    int 0x62
    DONE
    TRY "interrupt through a gate to nothing"
    int 0x63
    DONE
    mov word ptr [rip + idt_pointer], 0x40 * 16 - 1
    lidt [rip + idt_pointer]
    TRY "interrupt beyond the table"
    int 0x70
    DONE
    mov word ptr [rip + idt_pointer], 256 * 16 - 1
    lidt [rip + idt_pointer]
    mov eax, KERNEL_DATA
    lar ecx, eax
    SHOW "rights of data ", rcx
    lsl ecx, eax
    SHOW ", limit ", rcx
    mov eax, SMALL_DATA
    lsl ecx, eax
    SHOW ", of a small one ", rcx
    mov eax, TASK
    lar ecx, eax
    SHOW ", rights of the task ", rcx
    mov eax, READ_ONLY_DATA
    verw ax
    setz cl
    movzx ecx, cl
    SHOW ", writable ", rcx
    mov eax, READ_ONLY_DATA
    verr ax
    setz cl
    movzx ecx, cl
    SHOW ", readable ", rcx
    str eax
    SHOW ", task ", rax
    call print_line
    ret

units:
    mov rax, cr4
    or eax, 0x600
    mov cr4, rax
    mov rax, cr0
    bts rax, 3
    btr rax, 2
    bts rax, 1
    mov cr0, rax
    TRY "x87 with the task switched"
    fld1
    DONE
    TRY "SSE with the task switched"
    xorps xmm0, xmm0
    DONE
    TRY "WAIT with the task switched"
    fwait
    DONE
    clts
    mov rax, cr0
    bts rax, 5
    mov cr0, rax
    TRY "x87 division by zero, unmasked"
    fninit
    push 0x37b
    fldcw [rsp]
    fld1
    fldz
    fdivp
    fwait
    DONE
    fninit
    TRY "SSE division by zero, unmasked"
    push 0x1d80
    ldmxcsr [rsp]
    mov eax, 0x3f800000
    movd xmm0, eax
    xorps xmm1, xmm1
    divss xmm0, xmm1
    DONE
    push 0x1f80
    ldmxcsr [rsp]
    pop rax
    TRY "reserved bit of MXCSR"
    push 0x10000
    ldmxcsr [rsp]
    DONE
    TRY "SSE operand that is not aligned"
    movaps xmm0, [rip + gdt + 1]
    DONE
    ret

stacks:
    # A page fault has no frame of its own: with a bad stack pointer it becomes a double fault.
    mov byte ptr [rip + idt + 8 * 16 + 4], 1
    mov byte ptr [rip + idt + 6 * 16 + 4], 1
    TRY "fault with a stack of its own"
    ud2
    DONE
    mov rax, [rip + exception_stack]
    lea rcx, [rip + interrupt_stack_top]
    sub rcx, rax
    SHOW "below the stack's top ", rcx
    call print_line
    mov byte ptr [rip + idt + 6 * 16 + 4], 0
    TRY "double fault"
    mov rsp, 0x40000000
    push rax
    DONE
    TRY "double fault of an address that is none"
    mov rsp, 0x0000900000000000
    ud2
    DONE
    TRY "fault at a stack pointer that is not aligned"
    sub rsp, 3
    ud2
    DONE
    mov rax, [rip + exception_stack]
    and eax, 15
    SHOW "alignment ", rax
    mov rax, [rip + exception_rsp]
    and eax, 15
    SHOW ", of what is saved ", rax
    call print_line
    ret

returns:
    TRY "return to another level with a null stack"
    push 0
    push rsp
    push 2
    push USER_CODE
    lea rax, [rip + 77f]
    push rax
    iretq
    DONE
    TRY "return to an address that is none"
    push KERNEL_DATA
    push rsp
    push 2
    push KERNEL_CODE
    mov rax, 0x0000800000000000
    push rax
    iretq
    DONE
    TRY "return with the nested task flag"
    push KERNEL_DATA
    mov rax, rsp
    push rax
    push 2
    push KERNEL_CODE
    lea rax, [rip + 77f]
    push rax
    pushf
    or dword ptr [rsp], 0x4000
    popf
    iretq
    DONE
    push 2
    popf
    ret

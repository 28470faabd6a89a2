# SPDX-License-Identifier: Apache-2.0
# Goes to long mode and on to user mode, and comes back by SYSCALL and by a page fault; each time it
# says which, and its privilege level.
        .include "long.inc"
main:   longmode 0x501
        # SYSCALL: CS 8 and SS 0x10; SYSRET: CS 0x2b and SS 0x23.
        movl    $0xc0000081, %ecx
        xorl    %eax, %eax
        movl    $0x001b0008, %edx
        wrmsr
        movl    $0xc0000082, %ecx
        leaq    called(%rip), %rax
        xorl    %edx, %edx
        wrmsr
        movl    $0xc0000084, %ecx
        movl    $0x700, %eax
        xorl    %edx, %edx
        wrmsr
        enteruser

called: movl    $TOP, %esp
        pushq   %rcx
        pushq   %r11
        movb    $'s', %bl
        call    level
        popq    %r11
        popq    %rcx
        cmpl    $2, %ebp
        je      ended
        movl    $0x500000, %esp
        sysretq

user:   xorl    %ebp, %ebp
        syscall
        movl    $1, %ebp
        syscall
        # Eight bytes.
        movb    $0, 0x60000000
        movl    $2, %ebp
        syscall
        ud2
userend:

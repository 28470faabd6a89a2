# SPDX-License-Identifier: Apache-2.0
# Goes to long mode and on to user mode, and comes back by SYSCALL and by a page fault; each time it
# says which, and its privilege level.
        .include "guest.inc"
        .set    TOP, 0x8000
main:
        # Page tables at 0x20000: the first GiB at its own addresses, open to user mode.
        movl    $0x20000, %edi
        xorl    %eax, %eax
        movl    $(3 * 1024), %ecx
        cld
        rep stosl
        movl    $0x21007, 0x20000
        movl    $0x22007, 0x21000
        movl    $0x87, %eax
        movl    $0x22000, %edi
        movl    $512, %ecx
1:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    1b
        # The first 2 MiB are the kernel's own; the user's code goes to the third.
        movl    $0x83, 0x22000
        movl    $user, %esi
        movl    $0x400000, %edi
        movl    $(userend - user), %ecx
        rep movsb
        lgdt    gdtr64
        movl    %cr4, %eax
        orl     $0x620, %eax
        movl    %eax, %cr4
        movl    $0x20000, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx
        xorl    %edx, %edx
        movl    $0x501, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000001, %eax
        movl    %eax, %cr0
        ljmp    $8, $long

        .code64
long:   movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $TOP, %esp
        # The page fault's gate.
        leaq    fault(%rip), %rax
        movl    $14, %ebx
        movl    $0x8e, %edx
        call    setgate
        lidt    idtr64
        leal    task(%rip), %eax
        movw    %ax, tss + 2(%rip)
        shrl    $16, %eax
        movb    %al, tss + 4(%rip)
        movl    $0x38, %eax
        ltr     %ax
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
        pushq   $0x23
        pushq   $0x500000
        pushq   $0x202
        pushq   $0x2b
        pushq   $0x400000
        iretq

# Gate %ebx with attributes %edx leads to %rax.
setgate:
        shll    $4, %ebx
        leaq    idt64(%rbx), %rdi
        movw    %ax, (%rdi)
        movw    $8, 2(%rdi)
        movb    $0, 4(%rdi)
        movb    %dl, 5(%rdi)
        shrq    $16, %rax
        movw    %ax, 6(%rdi)
        movl    $0, 8(%rdi)
        ret

# Says %bl and the privilege level.
level:  movb    %bl, %al
        outb    %al, $TALK
        movl    %cs, %eax
        andl    $3, %eax
        addl    $'0', %eax
        outb    %al, $TALK
        movb    $' ', %al
        outb    %al, $TALK
        ret

called: movl    $TOP, %esp
        pushq   %rcx
        pushq   %r11
        movb    $'s', %bl
        call    level
        popq    %r11
        popq    %rcx
        cmpl    $2, %ebp
        je      1f
        movl    $0x500000, %esp
        sysretq
1:      movb    $'\n', %al
        outb    %al, $TALK
        movb    $9, %al
        outb    %al, $END
2:      cli
        hlt
        jmp     2b

# The access was to a page that is not there: go on behind it.
fault:  popq    %rdx
        movb    $'p', %bl
        call    level
        # The error code: a user's write.
        leal    '0'(%rdx), %eax
        outb    %al, $TALK
        movb    $' ', %al
        outb    %al, $TALK
        addq    $8, (%rsp)
        iretq

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

        .data
        .balign 16
gdt64:  .quad   0
        # 8 and 0x10: the kernel's; 0x1b would be 32-bit user code; 0x23 and 0x2b: the user's.
        .quad   0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff
        .quad   0x00cff3000000ffff, 0x00affb000000ffff, 0
        # 0x38: the task.
tss:    .word   103, 0, 0x8900, 0
        .quad   0
gdtr64: .word   0x47
        .long   gdt64
task:   .long   0
        .quad   TOP
        .fill   92, 1, 0
idtr64: .word   256 * 16 - 1
        .quad   idt64
        .balign 16
idt64:  .fill   512, 8, 0

# SPDX-License-Identifier: Apache-2.0
# Memory far above 4 GiB: two pages of 2 MiB, at as many times 4 GiB as port 0x520 says, are seen at
# 1 GiB. The first holds a word at 0 and a function at 0x100; the second is not there.
        .include "guest.inc"
        .set    WINDOW, 0x40000000
main:
        # Four levels, as 64-bit kernels have them: not every KVM knows 32-bit code's own three.
        movl    $(pointers + 3), top
        movl    $(low + 3), pointers
        movl    $(high + 3), pointers + 8
        # Present, writable, 2 MiB.
        movl    $0x83, low
        movl    $0x520, %edx
        inl     %dx, %eax
        movl    $0x83, high
        movl    %eax, high + 4
        movl    $0x200083, high + 8
        movl    %eax, high + 12
        movl    $0x20, %eax
        movl    %eax, %cr4
        movl    $top, %eax
        movl    %eax, %cr3
        # EFER.LME.
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax
        movl    %eax, %cr0
        sayhex  WINDOW
        movl    $0x11223344, WINDOW + 4
        sayhex  WINDOW + 4
        lock addl $1, WINDOW + 8
        sayhex  WINDOW + 8
        movl    $words, %esi
        movl    $(WINDOW + 16), %edi
        movl    $2, %ecx
        cld
        rep movsl
        sayhex  WINDOW + 20
        movl    $(WINDOW + 0x100), %eax
        call    *%eax
        sayhex  %eax
        sayhex  WINDOW + 0x200000
        movl    $5, WINDOW + 0x200000
        sayhex  WINDOW + 0x200000
        say     "far\n"
        end     12
        .section .rodata
words:  .long   0x01020304, 0x05060708
        .data
        .balign 4096
low:    .fill   1024, 4, 0
high:   .fill   1024, 4, 0
pointers:
        .fill   1024, 4, 0
top:    .fill   1024, 4, 0

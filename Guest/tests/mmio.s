# SPDX-License-Identifier: Apache-2.0
# Memory-mapped registers: what is written at 0xd0000000 can be read back.
        .include "guest.inc"
        .set    BASE, 0xd0000000
main:
        movl    $BASE, %edi
        movl    $0x89abcdef, (%edi)
        movl    (%edi), %eax
        sayhex  %eax
        movl    $BASE, %edi
        movw    $0x1234, 2(%edi)
        movl    (%edi), %eax
        sayhex  %eax
        movl    $BASE, %edi
        movb    $0x77, 1(%edi)
        movzbl  1(%edi), %eax
        sayhex  %eax
        movl    $BASE, %edi
        movswl  2(%edi), %eax
        sayhex  %eax
        movl    $BASE, %edi
        addl    $0x11111111, (%edi)
        movl    (%edi), %eax
        sayhex  %eax
        # Across two pages.
        movl    $(BASE + 0xffe), %edi
        movl    $0xcafebabe, (%edi)
        movl    (%edi), %eax
        sayhex  %eax
        # A string of bytes.
        movl    $BASE, %edi
        movl    $words, %esi
        movl    $2, %ecx
        cld
        rep movsl
        movl    BASE + 4, %eax
        sayhex  %eax
        say     "mmio\n"
        end     2
        .section .rodata
words:  .long   0x01020304, 0x05060708

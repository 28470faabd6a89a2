# SPDX-License-Identifier: Apache-2.0
# Limits of segments in 32-bit code, seen from a compatibility mode segment.

.include "guest.inc"

# Runs 32-bit code, up to a far return to 64-bit code or to an exception.
.macro NARROW text
    TRY "\text"
    lea rax, [rip + 70f]
    mov [rip + try_start], rax
    push KERNEL_CODE32
    push rax
    rex.w retf
70:
    .code32
.endm

.macro WIDE
    push KERNEL_CODE
    push offset 77f
    retf
    .code64
77:
    call report
.endm

main:
    NARROW "data at its limit"
    mov eax, SMALL_DATA
    mov es, eax
    mov al, es:[0xfff]
    WIDE
    NARROW "data beyond its limit"
    mov eax, SMALL_DATA
    mov es, eax
    mov al, es:[0x1000]
    WIDE
    NARROW "a word whose last byte is beyond"
    mov eax, SMALL_DATA
    mov es, eax
    mov eax, es:[0xffd]
    WIDE
    NARROW "a word that ends at the limit"
    mov eax, SMALL_DATA
    mov es, eax
    mov eax, es:[0xffc]
    WIDE
    NARROW "a byte by an offset in the instruction"
    mov eax, SMALL_DATA
    mov es, eax
    .byte 0x26, 0xa0
    .long 0x1000
    WIDE
    NARROW "a read-modify-write whose last byte is beyond"
    mov eax, SMALL_DATA
    mov es, eax
    add word ptr es:[0xfff], 0
    WIDE
    NARROW "an expand-down segment below its limit"
    mov eax, DOWN_DATA
    mov es, eax
    mov al, es:[0xfff]
    WIDE
    NARROW "an expand-down segment above its limit"
    mov eax, DOWN_DATA
    mov es, eax
    mov al, es:[0x1000]
    WIDE
    NARROW "a write to read-only data"
    mov eax, READ_ONLY_DATA
    mov es, eax
    mov es:[0x100], al
    WIDE
    NARROW "a write to code"
    mov cs:[0x100], al
    WIDE
    NARROW "a null segment"
    xor eax, eax
    mov es, eax
    mov al, es:[0x100]
    WIDE
    NARROW "a jump beyond what is mapped"
    mov eax, 0x7fffffff
    jmp eax
    WIDE
    ret

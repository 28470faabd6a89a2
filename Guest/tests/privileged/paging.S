# SPDX-License-Identifier: Apache-2.0
# Page tables: rights, accessed and dirty bits, NX, SMEP, write protection, reserved bits, CPL 3.

.include "guest.inc"

# Linear 2 MiB up is mapped here in pages of 4 KiB, to physical 3 MiB up.
.set AREA, 0x200000
.set PHYSICAL, 0x300000
.set P, 1
.set W, 2
.set U, 4
.set A, 0x20
.set D, 0x40
.set PAGE_NOT_PRESENT, 0
.set PAGE_READ_ONLY, 1
.set PAGE_WRITABLE, 2
.set PAGE_USER, 3
.set PAGE_USER_READ_ONLY, 4
.set PAGE_NO_EXECUTE, 5
.set PAGE_RESERVED, 6
.set PAGE_USER_CODE, 7
.set PAGE_USER_STACK, 8

.macro PAGE number, bits
    mov rax, PHYSICAL + \number * 4096 + \bits
    mov [rip + table + \number * 8], rax
.endm

.macro AT number
    mov rbx, AREA + \number * 4096
.endm

# Shows the accessed and dirty bits of a page, and clears them.
.macro BITS text, number
    mov rax, [rip + table + \number * 8]
    and eax, A | D
    SHOW "\text ", rax
    call print_line
    and qword ptr [rip + table + \number * 8], ~(A | D)
    mov rax, AREA + \number * 4096
    invlpg [rax]
.endm

main:
    # NX, WP; SMEP and SMAP come later.
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x800
    wrmsr
    mov rax, cr0
    or eax, 0x10000
    mov cr0, rax

    PAGE PAGE_NOT_PRESENT, 0
    PAGE PAGE_READ_ONLY, P
    PAGE PAGE_WRITABLE, P|W
    PAGE PAGE_USER, P|W|U
    PAGE PAGE_USER_READ_ONLY, P|U
    PAGE PAGE_NO_EXECUTE, P|W
    bts qword ptr [rip + table + PAGE_NO_EXECUTE * 8], 63
    PAGE PAGE_RESERVED, P|W
    bts qword ptr [rip + table + PAGE_RESERVED * 8], 51
    PAGE PAGE_USER_CODE, P|W|U
    PAGE PAGE_USER_STACK, P|W|U
    # A second directory for the second 2 MiB; user rights come from the lowest level.
    lea rax, [rip + table]
    or eax, P|W|U
    mov rbx, cr3
    and rbx, ~0xfff
    or qword ptr [rbx], U
    mov rbx, [rbx]
    and rbx, ~0xfff
    or qword ptr [rbx], U
    mov rbx, [rbx]
    and rbx, ~0xfff
    mov [rbx + 8], rax
    mov rax, cr3
    mov cr3, rax
    lea rax, [AREA + PAGE_USER_STACK * 4096 + 4096]
    mov [rip + user_stack], rax

    # A return, to be executed in several pages.
    mov byte ptr [PHYSICAL + PAGE_WRITABLE * 4096], 0xc3
    mov byte ptr [PHYSICAL + PAGE_NO_EXECUTE * 4096], 0xc3
    mov byte ptr [PHYSICAL + PAGE_USER * 4096], 0xc3
    mov byte ptr [PHYSICAL + PAGE_USER_READ_ONLY * 4096], 0xc3

    call supervisor
    call bits
    call crossing
    call user
    call canonical
    ret

supervisor:
    TRY "read of a page not present"
    AT PAGE_NOT_PRESENT
    mov eax, [rbx + 0x123]
    DONE
    TRY "write to a page not present"
    AT PAGE_NOT_PRESENT
    mov [rbx], eax
    DONE
    TRY "call into a page not present"
    AT PAGE_NOT_PRESENT
    call rbx
    DONE
    TRY "read of a read-only page"
    AT PAGE_READ_ONLY
    mov eax, [rbx]
    DONE
    TRY "write to a read-only page"
    AT PAGE_READ_ONLY
    mov [rbx], eax
    DONE
    TRY "locked addition to a read-only page"
    AT PAGE_READ_ONLY
    lock add [rbx], eax
    DONE
    mov rax, cr0
    and eax, ~0x10000
    mov cr0, rax
    TRY "write to a read-only page without WP"
    AT PAGE_READ_ONLY
    mov [rbx], eax
    DONE
    TRY "write to a read-only page of the user without WP"
    AT PAGE_USER_READ_ONLY
    mov dword ptr [rbx + 8], 1
    DONE
    mov rax, cr0
    or eax, 0x10000
    mov cr0, rax
    TRY "call into a writable page"
    AT PAGE_WRITABLE
    call rbx
    DONE
    TRY "call into a page with NX"
    AT PAGE_NO_EXECUTE
    call rbx
    DONE
    TRY "read of a page with NX"
    AT PAGE_NO_EXECUTE
    mov eax, [rbx]
    DONE
    TRY "read of a page with a reserved bit"
    AT PAGE_RESERVED
    mov eax, [rbx]
    DONE
    TRY "write to a page with a reserved bit"
    AT PAGE_RESERVED
    mov [rbx], eax
    DONE
    TRY "read of a page of the user"
    AT PAGE_USER
    mov eax, [rbx]
    DONE
    TRY "call into a page of the user"
    AT PAGE_USER
    call rbx
    DONE
    mov rax, cr4
    bts rax, 20
    mov cr4, rax
    TRY "call into a page of the user with SMEP"
    AT PAGE_USER
    call rbx
    DONE
    mov rax, cr4
    btr rax, 20
    mov cr4, rax
    ret

bits:
    and qword ptr [rip + table + PAGE_WRITABLE * 8], ~(A | D)
    mov rax, AREA + PAGE_WRITABLE * 4096
    invlpg [rax]
    BITS "untouched", PAGE_WRITABLE
    AT PAGE_WRITABLE
    mov eax, [rbx]
    BITS "read", PAGE_WRITABLE
    AT PAGE_WRITABLE
    mov [rbx + 16], eax
    BITS "written", PAGE_WRITABLE
    AT PAGE_WRITABLE
    mov eax, [rbx]
    mov [rbx + 16], eax
    BITS "read and written", PAGE_WRITABLE
    AT PAGE_WRITABLE
    lock xadd [rbx + 16], eax
    BITS "exchanged", PAGE_WRITABLE
    AT PAGE_WRITABLE
    call rbx
    BITS "executed", PAGE_WRITABLE
    AT PAGE_WRITABLE
    lea rdi, [rbx + 32]
    mov ecx, 4
    cld
    rep stosd
    BITS "filled", PAGE_WRITABLE
    # The directory entry has no dirty bit when it leads to a table.
    mov rbx, cr3
    and rbx, ~0xfff
    mov rbx, [rbx]
    and rbx, ~0xfff
    mov rbx, [rbx]
    and rbx, ~0xfff
    mov rax, [rbx + 8]
    and eax, A
    SHOW "directory ", rax
    call print_line
    ret

crossing:
    # The page before the first is that of 2 MiB - 4 KiB, which is there.
    TRY "write from the last page that is there into one that is not"
    mov rbx, AREA - 4
    mov rax, 0x1122334455667788
    mov qword ptr [rbx - 4], 0
    mov [rbx], rax
    DONE
    mov eax, [AREA - 4]
    SHOW "what was written before ", rax
    call print_line
    TRY "read across into a page that is not there"
    mov rbx, AREA + PAGE_NOT_PRESENT * 4096
    mov rax, [rbx - 3]
    DONE
    TRY "repeated store up to a page that is not there"
    mov rdi, AREA - 16
    mov ecx, 8
    mov eax, 0x5a5a5a5a
    cld
    rep stosd
    DONE
    SHOW "left to store ", rcx
    call print_line
    ret

# What is done at CPL 3 is copied into a page of the user, and ends there with INT 0x80.
.macro USER text, from, to
    lea rsi, [rip + \from]
    mov edi, PHYSICAL + PAGE_USER_CODE * 4096
    mov ecx, \to - \from
    cld
    rep movsb
    TRY "\text"
    mov rax, AREA + PAGE_USER_CODE * 4096
    jmp enter_user
    DONE
.endm

user:
    # A gate that CPL 3 may go through.
    mov byte ptr [rip + idt + 0x80 * 16 + 5], 0xee
    USER "user, system call", u0, u1
    USER "user, read of its page", u1, u2
    USER "user, read of the supervisor's page", u2, u3
    USER "user, write to the supervisor's page", u3, u4
    USER "user, write to its read-only page", u4, u5
    USER "user, call into the supervisor's page", u5, u6
    USER "user, read of a page not present", u6, u7
    USER "user, interrupt through a gate of the supervisor", u7, u8
    USER "user, privileged instruction", u8, u9
    USER "user, undefined instruction", u9, u10
    USER "user, breakpoint through a gate of the supervisor", u10, u11
    ret

u0: int 0x80
u1: mov eax, [AREA + PAGE_USER * 4096]
    int 0x80
u2: mov eax, [AREA + PAGE_WRITABLE * 4096]
    int 0x80
u3: mov [AREA + PAGE_WRITABLE * 4096], eax
    int 0x80
u4: mov [AREA + PAGE_USER_READ_ONLY * 4096], eax
    int 0x80
u5: mov ebx, AREA + PAGE_WRITABLE * 4096
    call rbx
    int 0x80
u6: mov eax, [AREA + PAGE_NOT_PRESENT * 4096]
    int 0x80
u7: int 0x81
u8: hlt
u9: ud2
u10: int3
u11:

canonical:
    mov rbx, 0x0000800000000000
    TRY "read of an address that is none"
    mov eax, [rbx]
    DONE
    TRY "write to an address that is none"
    mov [rbx], eax
    DONE
    TRY "read by RBP of an address that is none"
    mov rbp, rbx
    mov eax, [rbp]
    DONE
    TRY "push to an address that is none"
    mov rcx, rsp
    mov rsp, rbx
    push rax
    DONE
    TRY "jump to an address that is none"
    jmp rbx
    DONE
    ret

.bss
.balign 4096
table: .skip 4096

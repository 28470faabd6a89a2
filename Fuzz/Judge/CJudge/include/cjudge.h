// SPDX-License-Identifier: Apache-2.0
// Runs instructions on this machine's own processor, at addresses and with a state of the judge's
// choice, and says what became of them. x86-64 Linux only; elsewhere cjudge_prepare() fails.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// A user program's state, and what to do before and after it runs.
///
/// Swift's `JudgedState` has the same layout; cjudge_state_size() tells.
typedef struct {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    uint64_t general[16];
    uint64_t rip;
    uint64_t rflags;
    uint64_t fs_base;
    uint64_t gs_base;
    uint64_t cr2;
    /// The exception that ended it: 0xff none, 0xfe it ran for too long, 0xfd it made a system call.
    uint32_t vector;
    uint32_t error;
    /// 1: 32-bit code.
    uint64_t mode;
    /// Where 16 bytes are put before, or 0.
    uint64_t poke;
    uint64_t poked[2];
    /// Bytes that are cleared afterwards, as processors may differ in them.
    uint64_t scrub;
    uint64_t scrub_count;
    uint64_t spare[4];
    /// FXSAVE's image.
    uint64_t vectors[64];
} cjudge_state;

/// Memory of the instructions under judgement: data (written, then read-only), code.
#define CJUDGE_DATA 0x1000000ul
#define CJUDGE_DATA_BYTES 0x4000ul
#define CJUDGE_READ_ONLY_BYTES 0x1000ul
#define CJUDGE_CODE 0x1200000ul
#define CJUDGE_CODE_BYTES 0x8000ul
/// Where code jumps when it is done.
#define CJUDGE_EXIT 0x7abc0000ul

size_t cjudge_state_size(void);

/// 1 on an AMD processor under Linux that lets programs set the bases of FS and GS; else 0.
int cjudge_is_fit(void);

/// Maps memory and takes the signals of exceptions, once a process. 0, or a negative errno.
int cjudge_prepare(void);

/// Makes the calling thread the one that runs instructions. 0, or a negative errno.
int cjudge_enter_thread(void);

/// From here on a timer ends endless loops, and the kernel refuses what a judge does not need, and
/// everything that the code under judgement asks of it. 0, or a negative errno.
int cjudge_confine(void);

/// Runs `count` states one after another.
void cjudge_run(const void *_Nonnull before, void *_Nonnull after, size_t count);

/// The pages as the processor sees them.
void cjudge_write(uint64_t address, const void *_Nonnull bytes, size_t count);
void cjudge_read(uint64_t address, void *_Nonnull bytes, size_t count);
/// 0 if they hold `bytes`; else 1 plus the offset of the first difference.
size_t cjudge_differs(uint64_t address, const void *_Nonnull bytes, size_t count);

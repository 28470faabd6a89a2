// SPDX-License-Identifier: Apache-2.0
// A guest without a kernel that does what no kernel does. Entered by Multiboot: 32-bit protected
// mode, flat, no paging, interrupts off.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

static inline void out8(u16 port, u8 value) {
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out16(u16 port, u16 value) {
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline void out32(u16 port, u32 value) {
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
static inline u8 in8(u16 port) {
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline u16 in16(u16 port) {
    u16 value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline u32 in32(u16 port) {
    u32 value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/// Vector of the last exception or interrupt; -1: none since it was last set so.
extern volatile int last_vector;
/// Where an exception goes on, and then 0. An exception without is the end.
extern volatile u32 recover;
/// Interrupts of vector 32 and above so far.
extern volatile u32 interrupts;

/// Runs `code`; answers the vector of its exception, or -1.
#define TRY(code, ...)                                                                             \
    ({                                                                                             \
        last_vector = -1;                                                                          \
        __asm__ volatile("movl $77f, recover\n\t" code "\n77:\n\tmovl $0, recover" __VA_ARGS__);   \
        last_vector;                                                                               \
    })

/// Ends the machine.
void finish(u32 status) __attribute__((noreturn));
/// What is being tried, for a message.
extern const char *about;
/// Says what went wrong, and ends the machine with 66.
void fail(const char *text) __attribute__((noreturn));
#define EXPECT(condition, text)                                                                    \
    do {                                                                                           \
        if (!(condition)) fail(text);                                                              \
    } while (0)

/// A case by its name; returns if the machine is still whole.
struct hostile_case {
    const char *name;
    void (*run)(void);
};
extern const struct hostile_case cpu_cases[];
extern const struct hostile_case virtio_cases[];
extern const struct hostile_case device_cases[];
extern const struct hostile_case many_cases[];

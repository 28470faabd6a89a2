// SPDX-License-Identifier: Apache-2.0
// Mapped files that become shorter, or whose disk is full, while somebody reads or writes them.
#include "clinux_gnu.h"
#include "clinux_loss.h"
#include "clinux_parting.h"
#include "clinux_process.h"
#include "clinux_system.h"

#include <string.h>

int clinux_watches_loss;
static struct { uintptr_t start, end; char sentence[512]; } watched[32];

/// Runs on the thread that touched the page. It makes only calls that every policy allows.
static void report_loss(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    clinux_terminal_restore();
    uintptr_t place = (uintptr_t)info->si_addr;
    const char *sentence = "swiftlet-vmm: the host could not give a page of memory (SIGBUS)\n";
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
        if (place >= watched[i].start && place < watched[i].end) sentence = watched[i].sentence;
    ssize_t written = write(2, sentence, strlen(sentence));
    (void)written;
    clinux_part(CLINUX_PART_BUS, CLINUX_PART_NONE);
    _exit(CLINUX_MEMORY_LOST);
}

int clinux_watch_loss(uintptr_t start, size_t count, const char *sentence) {
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        if (watched[i].end) continue;
        size_t length = strnlen(sentence, sizeof watched[i].sentence - 2);
        memcpy(watched[i].sentence, sentence, length);
        watched[i].sentence[length] = '\n';
        watched[i].sentence[length + 1] = 0;
        watched[i].start = start;
        watched[i].end = start + count;
        struct sigaction action = {.sa_sigaction = report_loss, .sa_flags = SA_SIGINFO};
        sigfillset(&action.sa_mask);
        clinux_watches_loss = 1;
        return (int)clinux_result(sigaction(SIGBUS, &action, 0));
    }
    return -ENOSPC;
}

void clinux_forget_loss(uintptr_t start) {
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
        if (watched[i].start == start) watched[i].start = watched[i].end = 0;
}

# SPDX-License-Identifier: Apache-2.0
# Runs for ever, and never leaves the processor.
        .include "guest.inc"
main:   incl    %ebx
        jmp     main

# SPDX-License-Identifier: Apache-2.0
# Sleeps for ever.
        .include "guest.inc"
main:   cli
        hlt
        jmp     main

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Compiles the hostile guest to the file given: Guest/tests/build.sh OUTPUT
set -eu
here=$(dirname "$0")
exec gcc -m32 -std=gnu11 -O1 -Wall -Werror -ffreestanding -fno-pie -fno-stack-protector \
    -fcf-protection=none -mgeneral-regs-only -fno-asynchronous-unwind-tables \
    -nostdlib -static -no-pie -Wl,-T,"$here/hostile.ld" -Wl,--build-id=none -Wl,-z,noexecstack \
    -Wl,--no-warn-rwx-segments "$here"/hostile*.c -o "$1"

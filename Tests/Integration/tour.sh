#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes monitors do all that they can do, for Policy/audit.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin/swiftlet run --cpus 4 -- sh -c 'nproc; head -c 3000000 /dev/urandom | md5sum; sleep 0.2; exit 7'
head -c 4000000 /dev/zero | bin/swiftlet run -i -- cat | wc -c
bin/swiftlet run --timeout 2s -- sleep 100
bin/swiftlet run --kernel bin/guest/vmlinux --initrd bin/guest/initramfs.cpio \
    --append swiftlet.ready=poweroff < /dev/null | tail -n 1

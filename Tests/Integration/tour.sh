#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes monitors do what they are for, for Policy/audit.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$(mktemp -d "${TMPDIR:-/tmp}/swiftlet-tour.XXXXXX")
trap 'rm -rf "$folder"' EXIT

bin/swiftlet run --cpus 4 -- sh -c 'nproc; head -c 3000000 /dev/urandom | md5sum; sleep 0.2; exit 7'
head -c 4000000 /dev/zero | bin/swiftlet run -i -- cat | wc -c
bin/swiftlet run --timeout 2s -- sleep 100
bin/swiftlet run --kernel bin/guest/vmlinux --initrd bin/guest/initramfs.cpio \
    --append swiftlet.ready=poweroff < /dev/null | tail -n 1
# KVM runs the first steps of a kernel everywhere, be it slowly.
[ -w /dev/kvm ] && bin/swiftlet run --engine kvm --timeout 3s -- true

# A drive, and a monitor that is told to end.
head -c 1048576 /dev/zero > "$folder/disk"
cat > "$folder/config" <<END
{"boot-source": {"kernel_image_path": "bin/guest/vmlinux", "initrd_path": "bin/guest/initramfs.cpio",
    "boot_args": "console=ttyS0 quiet panic=-1"},
 "drives": [{"drive_id": "d", "path_on_host": "$folder/disk", "is_root_device": false}],
 "machine-config": {"vcpu_count": 1, "mem_size_mib": 128}}
END
"$SWIFTLET_VMM" --no-api --engine soft --config-file "$folder/config" < /dev/null &
sleep 3
kill -TERM $!
wait $!

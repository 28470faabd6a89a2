#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Debian's packaged 6.12 cloud kernel: kernel.sh KERNEL INITRAMFS [PACKAGE...]
#
# KERNEL becomes the bzImage as shipped. INITRAMFS becomes the agent, busybox, the kernel's modules
# for virtio over MMIO (vsock and entropy) in the order in which the agent loads them, and the
# packages with all that they depend on.
set -eu

[ $# -ge 2 ] || { echo "usage: kernel.sh KERNEL INITRAMFS [PACKAGE...]" >&2; exit 2; }
kernel=$1
initramfs=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)

command -v xz > /dev/null || { echo "kernel.sh: no xz; install it: apt-get install xz-utils" >&2; exit 1; }
meta=linux-image-6.12-cloud-amd64
image=$(apt-cache depends "$meta" | awk '$1 == "Depends:" && /6\.12\..*-cloud-amd64$/ { print $2; exit }')
if [ -z "$image" ]; then
    echo "kernel.sh: apt does not know $meta (bookworm-security has it); apt-get update" >&2
    exit 1
fi
tree=$("$here/packages.sh" --alone "$image")
release=${image#linux-image-}
overlay=$(mktemp -d)
trap 'rm -rf "$overlay"' EXIT
mkdir -p "$overlay/etc/swiftlet" "$overlay/lib/modules/$release"
modules=$overlay/etc/swiftlet/modules
: > "$modules"

# Unpacks the module of this name after those that it says it depends on.
add() {
    file=$overlay/lib/modules/$release/$1.ko
    if [ -f "$file" ]; then return; fi
    pattern=$(echo "$1" | sed 's/[-_]/[-_]/g')
    from=$(find "$tree/lib/modules/$release" -name "$pattern.ko.xz")
    [ -f "$from" ] || { echo "kernel.sh: $image has no module $1" >&2; exit 1; }
    xz -dc "$from" > "$file"
    for needed in $(tr '\0' '\n' < "$file" | sed -n 's/^depends=//p' | tr ',' ' '); do
        add "$needed"
    done
    echo "/lib/modules/$release/$1.ko" >> "$modules"
}
add virtio_mmio
add vmw_vsock_virtio_transport
add virtio_rng

cp "$tree/boot/vmlinuz-$release" "$kernel"
if [ $# -eq 0 ]; then
    "$here/../initramfs/build.sh" "$initramfs" "$overlay"
else
    packages=$("$here/packages.sh" "$@")
    "$here/../initramfs/build.sh" "$initramfs" "$packages" "$overlay"
fi

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes images with Debian's smallest system, fio, curl and ip in them: debian.sh ext4|erofs OUT
#
# debootstrap --variant=minbase, as root. The result is kept in the cache under a hash of what goes
# into it; OUT is a copy of its own, sparse where the image is. Status 69: it cannot be made here
# (no root, no debootstrap, no mirror), which is no fault of ours.
set -euo pipefail

[[ $# -eq 2 && $1 =~ ^(ext4|erofs)$ ]] || { echo "usage: debian.sh ext4|erofs OUT" >&2; exit 2; }
kind=$1 out=$2
suite=bookworm
packages=fio,curl,iproute2
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${SWIFTLET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/swiftlet}/images

unavailable() { echo "debian.sh: $1" >&2; exit 69; }

hash=$(cat "${BASH_SOURCE[0]}" <(echo "$mirror") | sha256sum | cut -c1-16)
image=$cache/$hash/debian.$kind
if [[ ! -f $image ]]; then
    [[ $(id -u) -eq 0 ]] || unavailable "debootstrap needs root"
    for tool in debootstrap "mkfs.$kind"; do
        command -v "$tool" > /dev/null || unavailable "no $tool: .ci/prepare images"
    done
    mkdir -p "$cache/$hash"
    exec 9> "$cache/lock"
    flock 9
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf --one-file-system "$work"' EXIT
    tree=$cache/$hash/tree
    if [[ ! -d $tree ]]; then
        debootstrap --variant=minbase --include="$packages" "$suite" "$work/tree" "$mirror" \
            > "$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; unavailable "debootstrap failed"; }
        rm -rf "$work"/tree/var/cache/apt/archives/*.deb "$work"/tree/usr/share/{doc,man,locale}
        # What apt would otherwise work out at its first use.
        chroot "$work/tree" apt-cache gencaches > /dev/null
        mv "$work/tree" "$tree"
    fi
    if [[ $kind == ext4 ]]; then
        truncate -s 1G "$work/image"
        mkfs.ext4 -q -L debian -d "$tree" "$work/image" 2>> "$work/log"
    else
        mkfs.erofs --quiet "$work/image" "$tree" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    fi
    mv "$work/image" "$image"
fi
cp --sparse=always "$image" "$out"

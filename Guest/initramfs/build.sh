#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the guest's initramfs: build.sh OUT [DIRECTORY...]
#
# The agent as /init and Debian's static busybox, as an uncompressed newc archive. What lies in each
# DIRECTORY is laid over it, later ones over earlier ones. Same input, same bytes; the result is
# kept in the cache under a hash of all that goes into it.
set -eu

[ $# -ge 1 ] || { echo "usage: build.sh OUT [DIRECTORY...]" >&2; exit 2; }
out=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
cache=${SWIFTLET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/swiftlet}/initramfs
busybox=${BUSYBOX:-/bin/busybox}

if ! "$busybox" --list > /dev/null 2>&1; then
    echo "build.sh: $busybox is not there; install it: apt-get install busybox-static" >&2
    exit 1
fi
# Only a program with shared libraries names its loader in its first bytes.
if head -c 1024 "$busybox" | LC_ALL=C grep -aq ld-linux; then
    echo "build.sh: $busybox is not static; install it: apt-get install busybox-static" >&2
    exit 1
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$here/agent.sh" "$work/agent"

hash=$({
    cat "$work/agent" "$busybox" "$here/build.sh" "$here/newc.swift"
    for directory in "$@"; do
        (cd "$directory" && find . -printf '%P %m %y %l\n' | LC_ALL=C sort &&
            find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum)
    done
} | sha256sum | cut -c1-16)

if [ ! -f "$cache/$hash/initramfs.cpio" ]; then
    tool=$(sha256sum "$here/newc.swift" | cut -c1-16)
    if [ ! -x "$cache/newc-$tool" ]; then
        swiftc -swift-version 6 -Osize -o "$work/newc" "$here/newc.swift"
        mv "$work/newc" "$cache/newc-$tool"
    fi

    { echo busybox; "$busybox" --list | grep -vx busybox | LC_ALL=C sort; } |
        tr '\n' '\0' > "$work/applets"
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' \
        'nobody:x:65534:65534:nobody:/nonexistent:/bin/false' > "$work/passwd"
    printf '%s\n' 'root:x:0:' 'tty:x:5:' 'nogroup:x:65534:' > "$work/group"
    printf '%s\n' '127.0.0.1 localhost swiftlet' '::1 localhost' > "$work/hosts"
    : > "$work/resolv.conf"
    {
        printf 'file\t%s\t%s\t%s\n' init 755 "$work/agent" usr/bin/busybox 755 "$busybox" \
            etc/passwd 644 "$work/passwd" etc/group 644 "$work/group" \
            etc/hosts 644 "$work/hosts" etc/resolv.conf 644 "$work/resolv.conf" \
            etc/swiftlet/applets 644 "$work/applets"
        printf 'directory\t%s\t%s\n' bin 755 sbin 755 usr/sbin 755 root 700 var/tmp 1777
        for directory in "$@"; do printf 'tree\t%s\n' "$directory"; done
    } > "$work/manifest"
    "$cache/newc-$tool" < "$work/manifest" > "$work/initramfs.cpio"
    mkdir -p "$cache/$hash"
    mv "$work/initramfs.cpio" "$cache/$hash/initramfs.cpio"
fi
cp "$cache/$hash/initramfs.cpio" "$out"

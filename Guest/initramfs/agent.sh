#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the agent: agent.sh OUT
#
# Embedded Swift, linked statically with musl. The result is kept in the cache under a hash of all
# that goes into it.
set -eu

[ $# -eq 1 ] || { echo "usage: agent.sh OUT" >&2; exit 2; }
out=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
musl=/usr/lib/x86_64-linux-musl
cache=${SWIFTLET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/swiftlet}/agent

if [ ! -f "$musl/libc.a" ]; then
    echo "agent.sh: $musl/libc.a is not there; install it: apt-get install musl-dev" >&2
    exit 1
fi

hash=$({
    swiftc --version 2>/dev/null
    cd "$root"
    sha256sum Guest/initramfs/agent.sh "$musl/libc.a"
    find Sources/Agent/ Sources/CTree/ Sources/agent/ -type f | LC_ALL=C sort | xargs sha256sum
} | sha256sum | cut -c1-16)

if [ ! -x "$cache/$hash/swiftlet-agent" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT

    # One module: what is the same here and in Package.swift's `strict`.
    module() {
        name=$1
        shift
        swiftc -swift-version 6 -strict-memory-safety -warnings-as-errors -parse-as-library \
            -enable-upcoming-feature ExistentialAny \
            -enable-upcoming-feature MemberImportVisibility \
            -enable-experimental-feature Embedded \
            -enable-experimental-feature SafeInteropWrappers \
            -target x86_64-unknown-linux-gnu -wmo -O -Xfrontend -function-sections -package-name swiftlet \
            -file-prefix-map "$root=." -I "$work" -I "$root/Sources/CTree/include" \
            -module-name "$name" "$@"
    }
    module Agent -c -emit-module -emit-module-path "$work/Agent.swiftmodule" \
        -o "$work/Agent.o" "$root"/Sources/Agent/*.swift
    module swiftlet_agent -c -I "$root/Sources/agent/CGuest" \
        -o "$work/agent.o" "$root"/Sources/agent/*.swift
    mkdir "$work/c"
    for file in "$root"/Sources/agent/CGuest/*.c "$root/Sources/CTree/tree.c"; do
        clang --target=x86_64-linux-musl -Os -Wall -Wextra -Werror -nostdlibinc \
            -isystem /usr/include/x86_64-linux-musl -ffunction-sections \
            -I "$root/Sources/CTree/include" \
            -c "$file" -o "$work/c/$(basename "$file" .c).o"
    done
    ld.lld -static -s -O2 --gc-sections --build-id=none -z norelro -z noseparate-code \
        -o "$work/swiftlet-agent" "$musl/crt1.o" "$musl/crti.o" \
        "$work/agent.o" "$work/Agent.o" "$work"/c/*.o "$musl/libc.a" "$musl/crtn.o"

    mkdir -p "$cache/$hash"
    mv "$work/swiftlet-agent" "$cache/$hash/swiftlet-agent"
fi
cp "$cache/$hash/swiftlet-agent" "$out"

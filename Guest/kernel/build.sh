#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the guest kernel from Debian's linux-source-6.12, fragment.config and patches/.
# compile.sh and common-headers.h only make it faster.
#
#   build.sh [--bzimage] [OUTPUT]
#
# Prints the path of a stripped ELF vmlinux (64-bit entry and PVH note): OUTPUT, or, without it,
# the file in the cache. With --bzimage it is the same kernel as a bzImage instead.
# The cache is ~/.cache/swiftlet/kernel/<digest of the inputs>/; the same inputs are built once.
# Installs nothing and writes nothing outside the cache, OUTPUT and a temporary directory.
#
# Exit status: 0 done, 2 wrong arguments, 3 packages missing, 1 anything else.
set -euo pipefail
export LC_ALL=C

readonly here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly package=linux-source-6.12
readonly archive=/usr/src/$package.tar.xz

fail() { echo "build.sh: $1" >&2; exit "${2:-1}"; }

image=vmlinux
if [[ ${1-} == --bzimage ]]; then image=bzImage; shift; fi
if (( $# > 1 )) || [[ ${1-} == -* ]]; then fail "usage: build.sh [--bzimage] [OUTPUT]" 2; fi
readonly image output=${1-}

# -- What must be installed ---------------------------------------------------------------------

missing=()
need() { # PACKAGE FILE-OR-COMMAND
    if [[ $2 == /* ]]; then [[ -e $2 ]] || missing+=("$1"); return 0; fi
    command -v "$2" >/dev/null || missing+=("$1")
}
need $package $archive
need gcc gcc
need make make
need binutils ld
need flex flex
need bison bison
need bc bc
need patch patch
need xz-utils xz
need util-linux flock
need libelf-dev /usr/include/libelf.h
need libc6-dev /usr/include/stdio.h
if (( ${#missing[@]} )); then
    fail "the guest kernel needs packages that are not installed; run:
    sudo apt-get install --no-install-recommends ${missing[*]}" 3
fi

# -- The cache ----------------------------------------------------------------------------------

readonly version=$(dpkg-query -W -f '${Version}' $package 2>/dev/null || stat -c %s $archive)
readonly digest=$(
    cd "$here"
    { echo "$package $version"; sha256sum build.sh compile.sh common-headers.h fragment.config patches/*.patch; } |
        sha256sum | cut -d' ' -f1
)
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/swiftlet/kernel/$digest
mkdir -p "$cache"

finish() {
    if [[ -n $output ]]; then
        mkdir -p "$(dirname "$output")"
        cp "$cache/$image" "$output.part"
        mv "$output.part" "$output"
        echo "$output"
    else
        echo "$cache/$image"
    fi
    exit 0
}

exec 9>"$cache/lock"
flock 9
[[ -s $cache/vmlinux && -s $cache/bzImage ]] && finish

# -- The build ----------------------------------------------------------------------------------

readonly work=$(mktemp -d "${TMPDIR:-/tmp}/swiftlet-kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export SWIFTLET_HEADERS=$work/common.h
readonly log=$cache/build.log
: >"$log"

step() { # TEXT COMMAND...
    echo "kernel: $1" >&2
    shift
    "$@" >>"$log" 2>&1 || { tail -n 30 "$log" >&2; fail "failed; the whole log is $log"; }
}

unpack() {
    # Everything but what an x86 kernel without these drivers never reads.
    tar -xf $archive -C "$work" --strip-components=1 --wildcards \
        --exclude='*/Documentation/*/*' --exclude='*/tools/testing/*' --exclude='*/tools/perf/*' \
        --exclude='*/drivers/gpu/*.[ch]' --exclude='*/drivers/media/*.[ch]' \
        --exclude='*/drivers/net/ethernet/*.[ch]' --exclude='*/drivers/net/wireless/*.[ch]' \
        --exclude='*/drivers/infiniband/*.[ch]' --exclude='*/drivers/scsi/*.[ch]' \
        --exclude='*/drivers/staging/*.[ch]' --exclude='*/drivers/usb/*.[ch]' \
        --exclude='*/sound/*.[ch]' --exclude='*.dts' --exclude='*.dtsi'
}

apply_patches() {
    local file
    for file in "$here"/patches/*.patch; do
        patch -d "$work" -p1 --fuzz=0 --no-backup-if-mismatch -i "$file" || return 1
    done
}

run_make() {
    nice -n 10 make -s -C "$work" -j "$(nproc)" CC="$here/compile.sh" \
        KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' KBUILD_BUILD_USER=swiftlet \
        KBUILD_BUILD_HOST=swiftlet KBUILD_BUILD_VERSION=1 LOCALVERSION= "$@"
}

# Compiles common-headers.h with the flags of an ordinary file, taken from its record.
precompile_headers() {
    local command
    : >"$SWIFTLET_HEADERS"
    run_make prepare && run_make kernel/range.o || return 1
    command=$(sed -n 's/^savedcmd_[^:]*:= //p' "$work/kernel/.range.o.cmd" | cut -d';' -f1)
    command=$(sed -E 's# -Wp,-MMD,[^ ]*##; s# -include [^ ]*##g; s# -D(__)?KBUILD_[A-Z]*=[^ ]*##g
        s# -c -o .*##' <<<"$command")
    (cd "$work" && eval "$command -x c-header -o $SWIFTLET_HEADERS.gch $here/common-headers.h")
}

# Kconfig drops a line whose dependencies are not met without a word: we do not.
check_config() {
    local line key lost=0
    while IFS= read -r line; do
        case $line in
            CONFIG_*=n) key=${line%%=*} ;;
            CONFIG_*)
                grep -qxF -- "$line" "$work/.config" || { echo "lost: $line"; lost=1; }
                continue ;;
            '# CONFIG_'*' is not set') key=${line#\# }; key=${key%% *} ;;
            *) continue ;;
        esac
        if grep -q "^$key=" "$work/.config"; then echo "still set: $key"; lost=1; fi
    done <"$here/fragment.config"
    return $lost
}

readonly began=$SECONDS
step "unpacking $package $version" unpack
step "patching" apply_patches
step "configuring" run_make KCONFIG_ALLCONFIG="$here/fragment.config" allnoconfig
step "checking the configuration" check_config
step "compiling the common headers" precompile_headers
step "building (some minutes)" run_make bzImage
strip -o "$cache/vmlinux.part" "$work/vmlinux"
nm -n "$work/vmlinux" >"$cache/System.map"
cp "$work/.config" "$cache/config"
cp "$work/arch/x86/boot/bzImage" "$cache/bzImage.part"
mv "$cache/bzImage.part" "$cache/bzImage"
mv "$cache/vmlinux.part" "$cache/vmlinux"
echo "kernel: built in $((SECONDS - began)) s" >&2
finish

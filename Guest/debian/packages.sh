#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Lays out Debian packages with all that they depend on: packages.sh [--alone] PACKAGE...
#
# Prints the directory in the cache that holds their files, without documentation. --alone takes the
# packages without their dependencies. The host's apt resolves and fetches (from its configured
# sources, checked by its keys) as if nothing were installed; the host's own packages stay as they
# are and no maintainer script runs. Root is not needed. Status 69: the packages are not to be had
# here, which is no fault of ours.
set -eu

resolve=install
if [ "${1:-}" = --alone ]; then
    resolve=download
    shift
fi
[ $# -ge 1 ] || { echo "usage: packages.sh [--alone] PACKAGE..." >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
cache=${SWIFTLET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/swiftlet}/debian

for tool in apt-get dpkg-deb; do
    command -v $tool > /dev/null && continue
    echo "packages.sh: this needs a Debian host: no $tool" >&2
    exit 69
done
mkdir -p "$cache/packages/partial"
exec 9> "$cache/lock"
flock 9
: > "$cache/no-packages"

# apt-get, on an empty machine whose downloads are kept in our cache.
apt() {
    apt-get -qq -y -o Dir::State::status="$cache/no-packages" -o Dir::Cache::archives="$cache/packages" \
        -o Debug::NoLocking=true -o APT::Install-Recommends=false -o APT::Sandbox::User= "$@"
}

# Lines 'ADDRESS' FILE SIZE HASH. apt leaves out what its archives hold, so it is shown none.
mkdir -p "$cache/nothing/partial"
if ! apt -o Dir::Cache::archives="$cache/nothing" --print-uris "$resolve" "$@" > "$cache/uris"; then
    echo "packages.sh: apt cannot resolve $*; are its lists there? apt-get update" >&2
    exit 69
fi
awk '{ print $2 }' "$cache/uris" | LC_ALL=C sort > "$cache/files"
if (cd "$cache/packages" && xargs ls > /dev/null 2>&1 < "$cache/files"); then
    :
elif ! if [ "$resolve" = install ]; then apt --download-only install "$@" >&2
       else (cd "$cache/packages" && apt download "$@" >&2); fi; then
    echo "packages.sh: cannot download $*" >&2
    exit 69
fi

hash=$(cat "$cache/files" "$here/packages.sh" | sha256sum | cut -c1-16)
tree=$cache/trees/$hash
if [ ! -d "$tree" ]; then
    rm -rf "$tree.part"
    mkdir -p "$tree.part"
    while read -r file; do
        dpkg-deb --fsys-tarfile "$cache/packages/$file" |
            tar -x --no-same-owner -C "$tree.part" --exclude='./usr/share/doc' \
                --exclude='./usr/share/man' --exclude='./usr/share/info' \
                --exclude='./usr/share/locale' --exclude='./usr/share/lintian' --exclude='./usr/share/bug'
    done < "$cache/files"
    mv "$tree.part" "$tree"
fi
echo "$tree"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds an initramfs with Debian packages: initramfs.sh OUT PACKAGE...
#
# The agent and busybox of Guest/initramfs, and over them the packages with all that they depend on.
# Their programs take the place of busybox's of the same name. Maintainer scripts do not run: there
# are no alternatives (/etc/alternatives) and no generated caches.
set -eu

[ $# -ge 2 ] || { echo "usage: initramfs.sh OUT PACKAGE..." >&2; exit 2; }
out=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
tree=$("$here/packages.sh" "$@")
"$here/../initramfs/build.sh" "$out" "$tree"

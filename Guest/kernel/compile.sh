#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The C compiler as build.sh hands it to the kernel's makefiles: gcc, with the headers that most
# files share taken from a precompiled header. Three quarters of the processor time of a plain build
# go into reading the same headers over and over; with this the build takes a little over half.
#
# $SWIFTLET_HEADERS names the header; while $SWIFTLET_HEADERS.gch is missing this is plain gcc.
# Where the flags are not those the header was compiled with (vDSO, boot code) gcc does not use it
# and reads $SWIFTLET_HEADERS instead, which is empty. A file that does not compile this way (it has
# names of its own that are macros in the headers) is compiled the plain way, errors and all.
if [[ $* != *-DKBUILD_MODNAME=* || ! -s $SWIFTLET_HEADERS.gch ]]; then exec gcc "$@"; fi

# gcc refuses a precompiled header if a macro is defined that the header mentions, so the names of
# the file at hand come after it. A build that runs once has no use for the list of dependencies.
arguments=() names='' object='' previous='' dependencies=''
for argument; do
    case $argument in
        -DKBUILD_*=* | -D__KBUILD_*=*) argument=${argument#-D}; names+="#define ${argument/=/ }"$'\n' ;;
        -Wp,-MMD,*) dependencies=${argument#-Wp,-MMD,} ;;
        *) arguments+=("$argument") ;;
    esac
    if [[ $previous == -o ]]; then object=$argument; fi
    previous=$argument
done
printf '%s' "$names" >"$object.names.h"
printf '%s: %s\n' "$object" "$previous" >"$dependencies"
gcc -include "$SWIFTLET_HEADERS" "${arguments[@]}" -include "$object.names.h" 2>/dev/null ||
    exec gcc "$@"

# SPDX-License-Identifier: Apache-2.0
# Says the feature words of CPUID leaf 1.
        .include "guest.inc"
main:   movl    $1, %eax
        cpuid
        movl    %ecx, %ebp
        movl    %edx, %edi
        sayhex  %ebp
        sayhex  %edi
        say     "identity\n"
        end     8

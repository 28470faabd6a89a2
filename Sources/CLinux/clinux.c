// SPDX-License-Identifier: Apache-2.0
// The inline functions of the headers need no body here; this file makes the target a C target.
#include "clinux.h"

int clinux_raw_terminal = -1;
struct termios clinux_cooked;

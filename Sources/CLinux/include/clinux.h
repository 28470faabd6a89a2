// SPDX-License-Identifier: Apache-2.0
// What the kernel and the C compiler say, in a form that imports into Swift. No logic.
#pragma once

#include "clinux_atomic.h"
#include "clinux_confine.h"
#include "clinux_cpuid.h"
#include "clinux_float.h"
#include "clinux_gnu.h"
#include "clinux_jail.h"
#include "clinux_kvm.h"
#include "clinux_loss.h"
#include "clinux_math.h"
#include "clinux_net.h"
#include "clinux_parting.h"
#include "clinux_socket.h"
#include "clinux_process.h"
#include "clinux_probe.h"
#include "clinux_system.h"
#include "clinux_tcp.h"
#include "clinux_disk.h"

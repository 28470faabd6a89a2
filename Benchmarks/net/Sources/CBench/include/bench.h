// SPDX-License-Identifier: Apache-2.0
#pragma once

/// A packet socket on an interface, which sends whole frames past the queueing discipline; or a
/// negated errno.
int bench_packet_socket(const char *interface);

// SPDX-License-Identifier: Apache-2.0
// TCP sockets, answering as the kernel does: the result, or the negated errno. The bodies are in
// clinux_tcp.c, for the reason that clinux_net.h gives.
#pragma once

#include <stdint.h>

/// Listens at a numeric address, IPv4 or IPv6; never blocks. Port 0: any that is free.
int clinux_tcp_listen(const char *address, uint16_t port, int backlog);
/// Connects to a port of this host's own address, and waits for that; the socket never blocks then.
int clinux_tcp_connect(uint16_t port);
/// The port that a socket is bound to.
int clinux_tcp_port(int fd);
/// Makes small writes leave at once, and a peer that has vanished known in the end.
void clinux_tcp_tune(int fd);
/// The next close ends the connection as broken, and what is unsent is lost. SO_LINGER.
void clinux_tcp_break(int fd);

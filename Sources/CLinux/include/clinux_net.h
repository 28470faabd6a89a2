// SPDX-License-Identifier: Apache-2.0
// Network interfaces and TAP devices, answering as the kernel does: the result, or the negated
// errno. The bodies are in clinux_net.c: its headers and those of Swift's Glibc name the same types
// differently.
#pragma once

#include <stdint.h>

/// Bytes of an interface's name, its closing zero included (IFNAMSIZ).
static const int CLINUX_INTERFACE_NAME = 16;

/// What a TAP device may hand over unfinished. linux/if_tun.h, TUN_F_*.
static const unsigned CLINUX_TAP_CHECKSUM = 0x01;
static const unsigned CLINUX_TAP_TSO4 = 0x02;
static const unsigned CLINUX_TAP_TSO6 = 0x04;
static const unsigned CLINUX_TAP_ECN = 0x08;
static const unsigned CLINUX_TAP_UFO = 0x10;
static const unsigned CLINUX_TAP_USO4 = 0x20;
static const unsigned CLINUX_TAP_USO6 = 0x40;

/// The number of the interface called `name`.
int clinux_interface_index(const char *name);
/// Its MTU in bytes.
int clinux_interface_mtu(const char *name);
int clinux_interface_set_mtu(const char *name, int mtu);
int clinux_interface_up(const char *name);
/// Adds an address with its network: `size` is 4 or 16 bytes. Nobody is asked whether it is taken.
int clinux_interface_add_address(
    const char *name, const uint8_t *address, int size, int prefix);

/// Makes `fd`, an open /dev/net/tun, a queue of a TAP device with virtio-net headers of 12 bytes.
/// `name` says which; one that ends in "%d" asks for a new one and is replaced by what it got.
int clinux_tap_attach(int fd, char *name, int many_queues);
/// Puts the name of the TAP device that `fd` is a queue of into `name`; its flags (IFF_*).
int clinux_tap_describe(int fd, char *name);
int clinux_tap_set_header_size(int fd, int size);
int clinux_tap_set_offloads(int fd, unsigned offloads);
/// Lets the kernel choose this queue, or not.
int clinux_tap_enable_queue(int fd, int on);

/// Flags of `clinux_tap_describe`.
static const int CLINUX_TAP_IS_TAP = 0x0002;
static const int CLINUX_TAP_MANY_QUEUES = 0x0100;
static const int CLINUX_TAP_NO_INFORMATION = 0x1000;
static const int CLINUX_TAP_HAS_HEADER = 0x4000;

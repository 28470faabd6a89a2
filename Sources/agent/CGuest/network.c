// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/// linux/ipv6.h
struct address6_request {
    struct in6_addr address;
    uint32_t prefix;
    int index;
};

static void copy_name(struct ifreq *request, const char *name) {
    memset(request, 0, sizeof *request);
    strncpy(request->ifr_name, name, IFNAMSIZ - 1);
}

static int32_t ask(int family, unsigned long request, void *argument) {
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int32_t result = ioctl(fd, (int)request, argument) < 0 ? -errno : 0;
    close(fd);
    return result;
}

int32_t guest_bring_up_interface(const uint8_t *name, int32_t size) {
    (void)size;
    struct ifreq request;
    copy_name(&request, (const char *)name);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ask(AF_INET, SIOCSIFFLAGS, &request);
}

static int32_t add_address4(const char *name, struct in_addr address, int32_t prefix) {
    struct ifreq request;
    copy_name(&request, name);
    struct sockaddr_in *value = (struct sockaddr_in *)&request.ifr_addr;
    value->sin_family = AF_INET;
    value->sin_addr = address;
    int32_t result = ask(AF_INET, SIOCSIFADDR, &request);
    if (result < 0) return result;
    value->sin_addr.s_addr = htonl(prefix == 0 ? 0 : ~0u << (32 - prefix));
    return ask(AF_INET, SIOCSIFNETMASK, &request);
}

int32_t guest_add_address(const uint8_t *strings, int32_t size, int32_t prefix) {
    (void)size;
    const char *name = (const char *)strings, *text = name + strlen(name) + 1;
    struct in_addr address4;
    if (inet_pton(AF_INET, text, &address4) == 1) {
        return prefix >= 0 && prefix <= 32 ? add_address4(name, address4, prefix) : -EINVAL;
    }
    struct address6_request request = {
        .prefix = (uint32_t)prefix, .index = (int)if_nametoindex(name)};
    if (prefix < 0 || prefix > 128 || inet_pton(AF_INET6, text, &request.address) != 1)
        return -EINVAL;
    return ask(AF_INET6, SIOCSIFADDR, &request);
}

int32_t guest_add_gateway(const uint8_t *strings, int32_t size) {
    (void)size;
    const char *name = (const char *)strings, *text = name + strlen(name) + 1;
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    struct sockaddr_in *gateway = (struct sockaddr_in *)&route.rt_gateway;
    if (inet_pton(AF_INET, text, &gateway->sin_addr) == 1) {
        gateway->sin_family = route.rt_dst.sa_family = route.rt_genmask.sa_family = AF_INET;
        return ask(AF_INET, SIOCADDRT, &route);
    }
    struct in6_rtmsg route6 = {
        .rtmsg_flags = RTF_UP | RTF_GATEWAY, .rtmsg_metric = 1024,
        .rtmsg_ifindex = (int)if_nametoindex(name)};
    if (inet_pton(AF_INET6, text, &route6.rtmsg_gateway) != 1) return -EINVAL;
    return ask(AF_INET6, SIOCADDRT, &route6);
}

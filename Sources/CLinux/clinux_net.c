// SPDX-License-Identifier: Apache-2.0
#include "clinux_net.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// After net/if.h, which declares the same things.
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>

/// A request about an interface; any socket will do to make it.
static int ask(unsigned long request, const char *name, struct ifreq *about) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    strncpy(about->ifr_name, name, IFNAMSIZ - 1);
    int result = ioctl(fd, request, about) < 0 ? -errno : 0;
    close(fd);
    return result;
}

int clinux_interface_index(const char *name) {
    struct ifreq about = {0};
    int result = ask(SIOCGIFINDEX, name, &about);
    return result < 0 ? result : about.ifr_ifindex;
}

int clinux_interface_mtu(const char *name) {
    struct ifreq about = {0};
    int result = ask(SIOCGIFMTU, name, &about);
    return result < 0 ? result : about.ifr_mtu;
}

int clinux_interface_set_mtu(const char *name, int mtu) {
    struct ifreq about = {.ifr_mtu = mtu};
    return ask(SIOCSIFMTU, name, &about);
}

int clinux_interface_up(const char *name) {
    struct ifreq about = {0};
    int result = ask(SIOCGIFFLAGS, name, &about);
    if (result < 0) return result;
    about.ifr_flags |= IFF_UP;
    return ask(SIOCSIFFLAGS, name, &about);
}

struct address_request {
    struct nlmsghdr header;
    struct ifaddrmsg address;
    char attributes[64];
};

static void add_attribute(
    struct address_request *request, unsigned short type, const void *bytes, unsigned short size) {
    char *end = (char *)request + NLMSG_ALIGN(request->header.nlmsg_len);
    struct rtattr *attribute = (struct rtattr *)end;
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(size);
    memcpy(RTA_DATA(attribute), bytes, size);
    request->header.nlmsg_len =
        NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

/// Sends one request to the kernel and waits for its answer. rtnetlink(7).
static int tell(struct nlmsghdr *request) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return -errno;
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[256];
    } answer;
    int result = -EIO;
    if (send(fd, request, request->nlmsg_len, 0) < 0) {
        result = -errno;
    } else {
        ssize_t size = recv(fd, &answer, sizeof answer, 0);
        if (size < 0) result = -errno;
        if (size >= (ssize_t)NLMSG_LENGTH(sizeof(int)) && answer.header.nlmsg_type == NLMSG_ERROR)
            result = answer.error.error;
    }
    close(fd);
    return result;
}

int clinux_interface_add_address(
    const char *name, const uint8_t *address, int size, int prefix) {
    int index = clinux_interface_index(name);
    if (index < 0) return index;
    if (size != 4 && size != 16) return -EINVAL;
    struct address_request request = {
        .header = {
            .nlmsg_len = NLMSG_LENGTH(sizeof request.address),
            .nlmsg_type = RTM_NEWADDR,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
        },
        .address = {
            .ifa_family = size == 4 ? AF_INET : AF_INET6,
            .ifa_prefixlen = (unsigned char)prefix,
            .ifa_flags = IFA_F_NODAD | IFA_F_PERMANENT,
            .ifa_index = (unsigned)index,
        },
    };
    add_attribute(&request, IFA_LOCAL, address, (unsigned short)size);
    add_attribute(&request, IFA_ADDRESS, address, (unsigned short)size);
    return tell(&request.header);
}

int clinux_tap_attach(int fd, char *name, int many_queues) {
    struct ifreq about = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    if (many_queues) about.ifr_flags |= IFF_MULTI_QUEUE;
    strncpy(about.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(fd, TUNSETIFF, &about) < 0) return -errno;
    memcpy(name, about.ifr_name, IFNAMSIZ);
    return 0;
}

int clinux_tap_describe(int fd, char *name) {
    struct ifreq about = {0};
    if (ioctl(fd, TUNGETIFF, &about) < 0) return -errno;
    memcpy(name, about.ifr_name, IFNAMSIZ);
    return about.ifr_flags & 0xffff;
}

int clinux_tap_set_header_size(int fd, int size) {
    return ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 ? -errno : 0;
}

int clinux_tap_set_offloads(int fd, unsigned offloads) {
    return ioctl(fd, TUNSETOFFLOAD, offloads) < 0 ? -errno : 0;
}

int clinux_tap_enable_queue(int fd, int on) {
    struct ifreq about = {.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};
    return ioctl(fd, TUNSETQUEUE, &about) < 0 ? -errno : 0;
}

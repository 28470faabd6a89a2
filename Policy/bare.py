# SPDX-License-Identifier: Apache-2.0
#
# Kernels of a few instructions, for Policy/tour: they play drivers by hand, and ask at once for what
# Linux asks for only now and then. They begin in 64-bit mode, where addresses are physical ones.
import struct

# Where a kernel lies, and the rings that it offers with it; devices write far behind.
CODE, RINGS, USED, BUFFER = 0x100000, 0x110000, 0x300000, 0x400000
# The first window of a virtio device; one device after the other has one.
WINDOW = 0xC0001000
RESET = 0x64


class Kernel:
    def __init__(self):
        self.code = b""
        self.rings = b""

    def image(self):
        """An ELF file of a single segment."""
        text = self.code + b"\xeb\xfe"
        if self.rings:
            text = text.ljust(RINGS - CODE, b"\0") + self.rings
        head = b"\x7fELF\x02\x01\x01" + bytes(9)
        head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, CODE, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        head += struct.pack("<IIQQQQQQ", 1, 7, 120, CODE, CODE, len(text), len(text), 4096)
        return head + text

    def bytes(self, text):
        self.code += bytes.fromhex(text)
        return self

    def store(self, address, value):
        # mov edi, address; mov dword [rdi], value
        self.code += b"\xbf" + struct.pack("<I", address) + b"\xc7\x07" + struct.pack("<I", value)
        return self

    def out(self, port, value):
        # mov dx, port; mov al, value; out dx, al
        self.code += b"\x66\xba" + struct.pack("<H", port) + bytes([0xB0, value, 0xEE])
        return self

    def spin(self, count):
        # mov ecx, count; again: dec ecx; jnz again
        self.code += b"\xb9" + struct.pack("<I", count) + bytes.fromhex("ffc9" "75fc")
        return self

    def until(self, ring, most, queue=0):
        """Waits until the device has no more than `most` requests of a ring."""
        # mov edi, ring; mov esi, used; again: mov ax, [rdi + 2]; sub ax, [rsi + 2]; cmp ax, most; ja again
        self.code += b"\xbf" + struct.pack("<I", ring[1])
        self.code += b"\xbe" + struct.pack("<I", USED + queue * 0x1000)
        self.code += bytes.fromhex("668b4702" "662b4602" "663d") + struct.pack("<H", most)
        return self.bytes("77f2")

    def more(self, ring, count):
        """Offers so many requests of a ring again."""
        # mov edi, ring; add word [rdi + 2], count
        self.code += b"\xbf" + struct.pack("<I", ring[1]) + bytes.fromhex("66834702") + bytes([count])
        return self

    def repeat(self, place=0):
        """Goes on at `place` of the code, for ever."""
        self.code += b"\xe9" + struct.pack("<i", place - len(self.code) - 5)
        return self

    def offer(self, *chains):
        """Puts a ring of requests beside the code, which it begins anew at its end: where they are
        described, and where they are offered. Each is (address, count, is the device's to write) for
        each of its parts."""
        place = RINGS + len(self.rings)
        descriptors, heads = b"", []
        for parts in chains:
            heads.append(len(descriptors) // 16)
            for index, (address, count, is_written) in enumerate(parts):
                follows = index + 1 < len(parts)
                descriptors += struct.pack(
                    "<QIHH", address, count, (2 if is_written else 0) | follows,
                    len(descriptors) // 16 + 1 if follows else 0)
        descriptors = descriptors.ljust(256 * 16, b"\0")
        available = struct.pack("<HH", 0, len(heads))
        available += struct.pack("<256H", *[heads[place % len(heads)] for place in range(256)])
        self.rings += descriptors + available.ljust(1024, b"\0")
        return place, place + len(descriptors)

    def data(self, content):
        """Bytes beside the rings; where they lie."""
        place = RINGS + len(self.rings)
        self.rings += content.ljust((len(content) + 63) // 64 * 64, b"\0")
        return place

    def begin(self, window, rings, features=0, size=256):
        """Resets a device and lets it see the rings {queue: (descriptors, available)}."""
        for value in [0, 1, 3]:
            self.store(window + 0x70, value)
        # The driver's features, and that it keeps to VIRTIO 1.
        self.store(window + 0x24, 0).store(window + 0x20, features)
        self.store(window + 0x24, 1).store(window + 0x20, 1).store(window + 0x70, 11)
        for queue, (descriptors, available) in rings.items():
            self.store(window + 0x30, queue).store(window + 0x38, size)
            self.store(window + 0x80, descriptors).store(window + 0x90, available)
            self.store(window + 0xA0, USED + queue * 0x1000).store(window + 0x44, 1)
        return self.store(window + 0x70, 15)

    def notify(self, window, queue=0):
        return self.store(window + 0x50, queue)

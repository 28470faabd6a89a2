#!/usr/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest, as a command of Swiftlet's or as its first process: the same work everywhere,
# timed by the guest's clock. Says `work NAME SECONDS` for each.
b=/usr/bin/busybox
[ -e /proc/uptime ] || { $b mkdir -p /proc; $b mount -t proc proc /proc; }
[ -e /dev/zero ] || $b mount -t devtmpfs dev /dev
$b mkdir -p /tmp

now() { read -r now _ < /proc/uptime; }
measure() {
    name=$1
    shift
    now; began=$now
    "$@" > /dev/null
    now
    echo "work $name $($b awk "BEGIN { printf \"%.2f\", $now - $began }")"
}

hash() { $b head -c 4194304 /dev/zero | $b sha256sum; }
pack() { $b gzip -c $b; }
order() { $b seq 20000 | $b sort -r | $b sort -n; }
loop() { $b awk 'BEGIN { for (i = 0; i < 200000; i++) { s += i % 7; a[i % 100] = s } print s }'; }
shell() { i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; }

measure sha256 hash
measure gzip pack
measure sort order
measure awk loop
measure shell shell
measure python /usr/bin/python3 -ISc 's = 0
for i in range(300000): s += i % 7
print(s)'
[ $$ -eq 1 ] && { $b sync; $b reboot -f; }
exit 0

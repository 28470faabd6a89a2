#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Disks beside their peers, in one go: Benchmarks/block.sh [FILE]
#
#   device   our driver and device (swiftlet-bench-block) beside fio's io_uring, the same file in the
#            page cache, the same core: 4 KiB random reads at depth 32, 1 MiB sequential at depth 8
#   guest    the same fio job in a Debian guest, ours on soft, QEMU's virtio-blk on TCG
#
# FILE (256 MiB, made anew if not given). RUNS (3): the median of so many. CORE (0). DEVICE=0, GUEST=0
# leave a part out.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."
.ci/prepare bench
runs=${RUNS:-3} core=${CORE:-0} seconds=${SECONDS_EACH:-3}
work=$(mktemp -d "${TMPDIR:-/tmp}/swiftlet-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
file=${1:-$work/disk}
[[ -e $file ]] || head -c $((256 << 20)) /dev/urandom > "$file"
cat "$file" > /dev/null
bench=.build/release/swiftlet-bench-block
[[ -x $bench || ${DEVICE:-1} -eq 0 ]] || swift build -c release --omit-frame-pointers --product swiftlet-bench-block

# Both print requests a second, and requests a second of processor time: on a machine that others
# use, too, only the second is worth comparing.
fio_rate() { # RW BS DEPTH
    taskset -c "$core" fio --name=b --filename="$file" --rw="$1" --bs="$2" --iodepth="$3" \
        --ioengine=io_uring --direct=0 --invalidate=0 --readonly --time_based \
        --runtime="$seconds" --minimal 2> /dev/null | awk -F';' '{ printf "%d %d\n", $8, $8 * 100 / ($88 + $89) }'
}
our_rate() { taskset -c "$core" "$bench" "$file" "$1" "$2" "$3" "$seconds" "$4"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
row() { # NAME OURS PEER UNIT
    awk -v n="$1" -v a="$2" -v b="$3" -v u="$4" \
        'BEGIN { printf "%-44s %12d %12d %8.2f  %s\n", n, a, b, (b > 0 ? a / b : 0), u }'
}
compare() { # NAME RW BYTES DEPTH ENGINE
    local i
    : > "$work/ours"; : > "$work/peer"
    for ((i = 0; i < runs; i++)); do
        our_rate "$2" "$3" "$4" "$5" >> "$work/ours"
        fio_rate "$2" "$3" "$4" >> "$work/peer"
    done
    row "$1" "$(cut -d' ' -f1 "$work/ours" | median)" "$(cut -d' ' -f1 "$work/peer" | median)" \
        "requests/s"
    row "" "$(cut -d' ' -f2 "$work/ours" | median)" "$(cut -d' ' -f2 "$work/peer" | median)" \
        "requests/s of processor time"
}

echo "load of this machine: $(cut -d' ' -f1-3 /proc/loadavg)"
if [[ ${DEVICE:-1} -eq 1 ]]; then
    printf '%-44s %12s %12s %8s\n' "" ours fio ratio
    compare "4 KiB random reads, depth 32, Async" randread 4096 32 Async
    compare "4 KiB random reads, depth 32, Sync" randread 4096 32 Sync
    compare "1 MiB sequential reads, depth 8, Async" read 1048576 8 Async
    compare "1 MiB sequential reads, depth 8, Sync" read 1048576 8 Sync
fi

[[ ${GUEST:-1} -eq 1 ]] || exit 0
Guest/images/debian.sh ext4 "$work/debian"
job="mount -t proc proc /proc; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp;
 fio --name=g --filename=/dev/vdb --ioengine=libaio --direct=1 --readonly --time_based --runtime=5
 --minimal --rw=RW --bs=BS --iodepth=DEPTH | cut -d';' -f8 | sed 's/^/rate /'"
guest_job() { echo "$job" | tr '\n' ' ' | sed "s/RW/$1/; s/BS/$2/; s/DEPTH/$3/"; }
rate_of() { tr -d '\r' | awk '$1 == "rate" { print $2 }'; }
words="console=ttyS0 quiet reboot=k panic=-1 root=/dev/vda ro tsc_early_khz=1000000 init=/bin/sh"
ours_guest() {
    cat > "$work/config" <<JSON
{"boot-source": {"kernel_image_path": "bin/guest/vmlinux",
  "boot_args": "${words/ root=\/dev\/vda ro/} -- -c \"$1\""},
 "machine-config": {"vcpu_count": 1, "mem_size_mib": 256}, "swiftlet": {"engine": "soft"},
 "drives": [
  {"drive_id": "root", "is_root_device": true, "is_read_only": true, "path_on_host": "$work/debian"},
  {"drive_id": "data", "is_root_device": false, "is_read_only": true, "path_on_host": "$file",
   "io_engine": "Async"}]}
JSON
    timeout 300 bin/swiftlet-vmm --no-api --config-file "$work/config" < /dev/null | rate_of
}
qemu_guest() {
    timeout 300 qemu-system-x86_64 -M microvm -accel tcg -m 256 -smp 1 -no-reboot -nodefaults \
        -no-user-config -display none -serial stdio -kernel bin/guest/vmlinux \
        -drive id=a,file="$work/debian",format=raw,if=none,readonly=on,aio=io_uring \
        -device virtio-blk-device,drive=a \
        -drive id=b,file="$file",format=raw,if=none,readonly=on,aio=io_uring \
        -device virtio-blk-device,drive=b -append "$words -- -c \"$1\"" < /dev/null | rate_of
}
printf '%-44s %12s %12s %8s\n' "" ours QEMU ratio
for spec in "randread 4k 32" "read 1M 8"; do
    read -r rw bs depth <<< "$spec"
    command=$(guest_job "$rw" "$bs" "$depth")
    row "in the guest, $rw of $bs, depth $depth" "$(ours_guest "${command//\"/}")" \
        "$(qemu_guest "$command")" "requests/s"
done

# SPDX-License-Identifier: Apache-2.0
"""Starts the monitor again and again: see Benchmarks/start."""
import glob, json, os, re, struct, subprocess, sys, time

work, program, runs, engines = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]

# mov $123, %al; movb %al, 0xc0000000; then outb %al, $0xf4, or hlt with interrupts off.
ENDS = bytes.fromhex("b07b67a2000000c0e6f4")
SLEEPS = bytes.fromhex("b07b67a2000000c0f4")


def kernel(name, code):
    """A 64-bit ELF file with one segment at 1 MiB."""
    base = 0x100000
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 5, 120, base, base, len(code), len(code), 0x1000)
    path = os.path.join(work, name)
    with open(path, "wb") as file:
        file.write(head + code)
    config = {
        "boot-source": {"kernel_image_path": path, "boot_args": "quiet"},
        "machine-config": {"vcpu_count": 1, "mem_size_mib": 128},
        "drives": [],
        "swiftlet": {"debug_exit": True, "report": 3, "console": {}},
    }
    with open(path + ".json", "w") as file:
        json.dump(config, file)
    return path + ".json"


def spawn(config, engine):
    reader, writer = os.pipe()
    words = [program, "--no-api", "--config-file", config, "--engine", engine]
    start = time.monotonic_ns()
    pid = os.posix_spawn(
        program, words, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 3)])
    os.close(writer)
    return pid, reader, start


def timed(config, engine):
    pid, reader, start = spawn(config, engine)
    with os.fdopen(reader) as file:
        report = json.loads(file.read())
    os.waitpid(pid, 0)
    return (report["boot_timer_ns"] - start) / 1e6, report["boot_timer_cpu_ns"] / 1e6


def processor_time(pid):
    files = glob.glob(f"/proc/{pid}/task/*/schedstat")
    return sum(int(open(file).read().split()[0]) for file in files)


def asleep(config, engine):
    """Private and resident KiB when all threads sleep."""
    pid, reader, _ = spawn(config, engine)
    try:
        before, now = -1, 0
        while now != before:
            time.sleep(0.1)
            before, now = now, processor_time(pid)
        private = resident = 0
        is_ram = False
        for line in open(f"/proc/{pid}/smaps"):
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                is_ram = "guest-memory" in line
            elif not is_ram and line.startswith("Private_Dirty:"):
                private += int(line.split()[1])
            elif not is_ram and line.startswith("Rss:"):
                resident += int(line.split()[1])
        return private, resident
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(reader)


def quantile(values, part):
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


# A program that was just built is dirty in the page cache, and would count as private.
os.sync()
ends, sleeps = kernel("ends", ENDS), kernel("sleeps", SLEEPS)
wall = {engine: [] for engine in engines}
used = {engine: [] for engine in engines}
cost = {engine: [] for engine in engines}
for run in range(runs):
    for engine in engines:
        times = timed(ends, engine)
        wall[engine].append(times[0])
        used[engine].append(times[1])
        if run < max(runs // 10, 3):
            cost[engine].append(asleep(sleeps, engine))
print(f"load {os.getloadavg()[0]:.1f}; {runs} starts each; milliseconds, KiB")
print(
    f"{'engine':8} {'wall p50':>9} {'min':>7} {'p90':>7} {'CPU p50':>8} {'p10':>7} {'private':>8}"
    f" {'RSS':>7}")
for engine in engines:
    times, spent, costs = wall[engine], used[engine], cost[engine]
    private, resident = [quantile([c[i] for c in costs], 0.5) for i in range(2)]
    print(
        f"{engine:8} {quantile(times, 0.5):9.2f} {min(times):7.2f} {quantile(times, 0.9):7.2f}"
        f" {quantile(spent, 0.5):8.2f} {quantile(spent, 0.1):7.2f} {private:8} {resident:7}")

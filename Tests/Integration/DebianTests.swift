// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What Debian ships, unchanged: its programs on our kernel, and its kernel with our agent.
///
/// The scripts of `Guest/debian` fetch the packages once and keep them in the cache. A host that is
/// no Debian, or that reaches no Debian archive, skips these tests and says so.
@Suite(
    .serialized, .enabled(if: Debian.isReachable, "apt can neither find nor fetch Debian packages"))
struct DebianTests {
    struct Calculation: CustomTestStringConvertible, Sendable {
        let command: [String]
        let output: String

        init(_ command: String..., output: String) {
            self.command = command
            self.output = output
        }

        var testDescription: String { command.joined(separator: " ") }
    }

    /// The right-hand sides come from mathematics and from published digests.
    @Test(arguments: [
        Calculation(
            "python3", "-c", "import math; print(1/3, 0.1+0.2, 2**100, math.sin(1e22))",
            output: "0.3333333333333333 0.30000000000000004 1267650600228229401496703205376 "
                + "-0.8522008497671888\n"),
        Calculation(
            "python3", "-c", "import hashlib; print(hashlib.sha256(b'abc').hexdigest())",
            output: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"),
        Calculation(
            "python3", "-c",
            "import decimal; decimal.getcontext().prec = 40; print(decimal.Decimal(2).sqrt())",
            output: "1.414213562373095048801688724209698078570\n"),
        Calculation(
            "python3", "-c", "import json; print(json.dumps([1e300, 5e-324, 'ä', {'a': None}]))",
            output: "[1e+300, 5e-324, \"\\u00e4\", {\"a\": null}]\n"),
        Calculation(
            "python3", "-c",
            """
            import threading
            total, lock = [0], threading.Lock()
            def add():
                for _ in range(1000):
                    with lock: total[0] += 1
            threads = [threading.Thread(target=add) for _ in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(total[0])
            """, output: "8000\n"),
        Calculation(
            "python3", "-c",
            "import subprocess; print(subprocess.run(['sh', '-c', 'exit 3']).returncode)",
            output: "3\n"),
        Calculation(
            "perl", "-e", "printf \"%.17g %d %s\\n\", atan2(1, 1) * 4, 2 ** 40, 0.1 + 0.2 - 0.3",
            output: "3.1415926535897931 1099511627776 5.55111512312578e-17\n"),
        Calculation(
            "perl", "-e", "$_ = \"hello big world\"; s/(\\w+) (\\w+)/$2 \\U$1/; print \"$_\\n\"",
            output: "big HELLO world\n"),
        Calculation(
            "sh", "-c", "echo 'scale=50; 4*a(1)' | bc -l",
            output: "3.14159265358979323846264338327950288419716939937508\n"),
        Calculation(
            "sqlite3", ":memory:", "select printf('%.3f', avg(value)) from generate_series(1, 10)",
            output: "5.500\n"),
        Calculation(
            "mawk", "BEGIN { for (i = 1; i <= 1000; i++) s += 1 / i; printf \"%.12f\\n\", s }",
            output: "7.485470860550\n"),
    ])
    func `Debian's programs calculate as they should`(_ calculation: Calculation) throws {
        let result = try Program.run(
            try Built.file("bin/swiftlet"),
            ["run", "--memory", "1G", "--initrd", try Debian.interpreters(), "--"]
                + calculation.command)
        #expect(result.outputText == calculation.output)
        #expect(result.status == 0, "\(result.errorText)")
    }

    /// The program that was compiled in the guest then runs on the host, whose C library must not use
    /// what the guest's processor does not have.
    @Test(arguments: [
        "-O0", "-O2", "-O3 -march=x86-64-v2 -frounding-math", "-O2 -mfpmath=387", "-Os -static",
    ])
    func `gcc compiles, and its programs print what they print on the host`(
        _ options: String
    ) throws {
        let source = URL(filePath: Checkout.path("Guest/debian/numbers.c"))
        let script = """
            cat > /tmp/n.c && gcc \(options) /tmp/n.c -o /tmp/n -lm && /tmp/n >&2 && cat /tmp/n
            """
        let there = try Program.swiftlet(
            "--memory", "2G", "--initrd", try Debian.compiler(), "--", "sh", "-c", script,
            input: try Data(contentsOf: source), seconds: 300)
        try #require(there.status == 0, "\(there.errorText)")

        let program = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-numbers-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: program) }
        try there.output.write(to: program)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: program.path)
        let here = try Program.run(
            program.path, [],
            environment: ["GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4"])
        #expect(here.status == 0)
        #expect(there.errorText == here.outputText)
    }

    @Test func `Debian's cloud kernel as shipped boots to our agent`() throws {
        let (kernel, initramfs) = try Debian.kernel()
        let result = try Program.swiftlet(
            "--memory", "512M", "--kernel", kernel, "--initrd", initramfs, "--", "sh", "-c",
            "uname -r; dd if=/dev/urandom bs=16 count=1 2> /dev/null | wc -c; exit 5",
            seconds: 300)
        let lines = result.outputText.split(separator: "\n")
        try #require(lines.count == 2, "\(result.outputText)\(result.errorText)")
        #expect(lines[0].hasPrefix("6.12.") && lines[0].hasSuffix("-cloud-amd64"), "\(lines[0])")
        #expect(lines[1] == "16")
        #expect(result.status == 5)
    }

    @Test func `Debian's python runs on Debian's kernel, with four processors`() throws {
        let (kernel, initramfs) = try Debian.kernel()
        let result = try Program.swiftlet(
            "--memory", "1G", "--cpus", "4", "--kernel", kernel, "--initrd", initramfs, "--",
            "python3", "-c", "import os; print(os.cpu_count(), 1/7)", seconds: 400)
        #expect(result.outputText == "4 0.14285714285714285\n", "\(result.errorText)")
    }
}

/// What the scripts of `Guest/debian` make.
private enum Debian {
    /// A script failed. Every test that needs its result throws this, and fails.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Whether a small package can be had, from the cache or from the archive. Any other failure of
    /// the script is one of the tests.
    static let isReachable: Bool = {
        let result = try? Program.run(
            Checkout.path("Guest/debian/packages.sh"), ["--alone", "mawk"], seconds: 120)
        return result?.status != 69
    }()

    static func interpreters() throws -> String { try interpretersResult.get() }
    static func compiler() throws -> String { try compilerResult.get() }
    static func kernel() throws -> (kernel: String, initramfs: String) { try kernelResult.get() }

    private static let interpreterPackages = [
        "python3-minimal", "libpython3.11-stdlib", "perl-base",
    ]
    private static let interpretersResult = Result {
        try make(
            "initramfs.sh", "interpreters.cpio",
            packages: interpreterPackages + ["mawk", "bc", "sqlite3"])
    }
    private static let compilerResult = Result {
        try make("initramfs.sh", "compiler.cpio", packages: ["gcc", "libc6-dev", "binutils"])
    }
    private static let kernelResult = Result {
        let kernel = try folder() + "/vmlinuz"
        return (
            kernel, try make("kernel.sh", kernel, "kernel.cpio", packages: interpreterPackages)
        )
    }

    /// Beside what the build leaves, so that the large files of each run replace those of the last.
    private static func folder() throws -> String {
        let folder = Checkout.path(".build-test/debian")
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    /// Runs a script of `Guest/debian`, the last name of its output being the one returned.
    private static func make(
        _ script: String, _ outputs: String..., packages: [String]
    ) throws -> String {
        let folder = try folder()
        let paths = outputs.map { $0.hasPrefix("/") ? $0 : folder + "/" + $0 }
        let result = try Program.run(
            Checkout.path("Guest/debian/" + script), paths + packages, seconds: 900)
        guard result.status == 0, let last = paths.last else {
            throw Failure(description: "\(script): \(result.errorText)")
        }
        return last
    }
}

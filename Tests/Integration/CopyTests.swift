// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// `swiftlet cp`, to and from a real machine.
@Suite(.serialized) struct CopyTests {
    static let tree = """
        mkdir t t/empty t/sub t/tight
        for size in 0 1 65536 65537 1000000; do head -c $size /dev/urandom > t/sub/file$size; done
        echo a > t/tight/inside; printf x > 't/with space'
        ln -s sub/file1 t/relative; ln -s /etc/passwd t/absolute; ln -s ../../../up t/up
        chmod 2711 t/sub; chmod 0400 t/sub/file1; chmod 1777 t/empty
        [ $(id -u) -ne 0 ] || { chown 1234:4321 t/sub/file65536 t/empty; chown -h 7:8 t/up; }
        touch -d '1999-12-31 23:59:59.987654321 UTC' t/sub/file1
        chmod 0555 t/tight; touch -d '2001-02-03' t/tight t
        """

    @Test func `A tree goes into a machine and comes back as it was`() throws {
        let machine = try GuestMachine()
        let scratch = try ScratchTree(Self.tree)
        try machine.host.done("cp", scratch.path + "/t", "web:/root/copy")
        #expect(
            try machine.shell(
                "cd /root/copy; stat -c '%a %u:%g %n' sub sub/file1 empty; readlink up")
                == "2711 0:0 sub\n400 0:0 sub/file1\n1777 1234:4321 empty\n../../../up\n")
        try machine.host.done("cp", "--keep-setid", "web:/root/copy", scratch.path + "/back")
        #expect(try scratch.listing(of: "back") == scratch.listing(of: "t"))

        // Once more, into directories that are there: under its own name, and without itself.
        try machine.host.done("cp", scratch.path + "/t", "web:/tmp")
        try machine.host.done("cp", "web:/tmp/t/.", scratch.path + "/back")
        try machine.host.done("cp", "web:tmp/t/sub/file1", scratch.path + "/new")
        #expect(try scratch.shell("cmp t/sub/file1 new; stat -c %a new back/sub") == "400\n2711\n")
        try machine.host.done("cp", "web:/tmp/t", scratch.path + "/safe")
        #expect(try scratch.shell("stat -c %a safe/sub") == "711\n")
    }

    @Test func `Eight MiB arrive whole, beside commands that go on`() throws {
        let machine = try GuestMachine()
        let scratch = try ScratchTree("head -c 8388608 /dev/urandom > f")
        let copies = try (1...3).map {
            try machine.host.start(["cp", scratch.path + "/f", "web:/tmp/f\($0)"])
        }
        #expect(try machine.shell("echo well") == "well\n")
        for copy in copies { #expect(try copy.end().status == 0) }
        let sum = try scratch.shell("sha256sum < f")
        #expect(
            try machine.shell("for i in 1 2 3; do sha256sum < /tmp/f$i; done") == sum + sum + sum)
        let back = try (1...3).map {
            try machine.host.start(["cp", "web:/tmp/f\($0)", scratch.path])
        }
        for copy in back { #expect(try copy.end().status == 0) }
        #expect(try scratch.shell("for i in 1 2 3; do sha256sum < f$i; done") == sum + sum + sum)
    }

    @Test func `Devices and FIFOs are left out, and that is said`() throws {
        let machine = try GuestMachine(
            "mkdir /t; mkfifo /t/fifo; mknod /t/null c 1 3; echo x > /t/x")
        let scratch = try ScratchTree()
        let result = try machine.host.swiftlet("cp", "web:/t", scratch.path)
        #expect(result.status == 1)
        #expect(result.errorText == "swiftlet: 2 devices, FIFOs or sockets were left out\n")
        #expect(try scratch.shell("ls t") == "x\n")
        // A whole guest: what the kernel shows of itself stays empty.
        let whole = try machine.host.swiftlet("cp", "web:/", scratch.path + "/all")
        #expect(whole.status == 1, "\(whole.errorText)")
        #expect(
            try scratch.shell("ls all/proc all/sys | wc -w; test -x all/usr/bin/busybox") == "2\n")
    }

    @Test func `A hostile guest's links lead nowhere on this host`() throws {
        let machine = try GuestMachine()
        let scratch = try ScratchTree("mkdir outside in; echo mine > outside/file")
        let outside = try scratch.listing(of: "outside")
        // First a link in the place, then what should go through it.
        try machine.shell(
            """
            ln -s ../outside /escape; mkdir -p /t/d /u
            ln -s ../../../outside /t/d/l; ln -s \(scratch.path)/outside/file /t/d/file
            mkdir -p /u/d/l; echo evil > /u/d/file; echo evil > /u/d/l/file; mkdir /v; echo evil > /v/file
            """)
        try machine.host.done("cp", "web:/escape", scratch.path + "/in/escape")
        let through = try machine.host.swiftlet("cp", "web:/v", scratch.path + "/in/escape")
        #expect(through.status == 125)
        #expect(through.errorText.contains("is a symbolic link, which is not followed"))
        try machine.host.done("cp", "web:/t/.", scratch.path + "/in")
        let clash = try machine.host.swiftlet("cp", "web:/u/.", scratch.path + "/in")
        #expect(clash.status == 125)
        #expect(clash.errorText.contains("is no directory, and a directory is to take its place"))
        #expect(try scratch.listing(of: "outside") == outside)
        #expect(try scratch.shell("readlink in/d/l") == "../../../outside\n")
    }

    @Test func `Endless data ends at the limit`() throws {
        let machine = try GuestMachine()
        let scratch = try ScratchTree()
        try machine.shell("truncate -s 100M /tmp/huge")
        let result = try machine.host.swiftlet(
            "cp", "--limit", "2M", "web:/tmp/huge", scratch.path)
        #expect(result.status == 125)
        #expect(
            result.errorText
                == "swiftlet: there is more data than the limit allows; raise it with --limit\n")
        #expect(try #require(Int(scratch.shell("stat -c %s huge").dropLast())) <= 2 << 20)
    }

    @Test func `A full disk in the guest is told by the name that the file has here`() throws {
        let machine = try GuestMachine("mkdir /small; mount -t tmpfs -o size=1M none /small")
        let scratch = try ScratchTree("mkdir t; head -c 4000000 /dev/zero > t/large")
        let result = try machine.host.swiftlet("cp", scratch.path + "/t", "web:/small/t")
        #expect(result.status == 125)
        #expect(
            result.errorText
                == "swiftlet: cannot write the guest's copy of \"\(scratch.path)/t/large\": no space"
                + " left on device\n")
        #expect(try machine.shell("echo well") == "well\n")
    }

    @Test func `Ctrl-C ends a copy, and the guest goes on`() throws {
        let machine = try GuestMachine()
        let scratch = try ScratchTree("truncate -s 4G f")
        let copy = try machine.host.start(["cp", scratch.path + "/f", "web:/dev/null/../huge"])
        usleep(300_000)
        copy.send(SIGINT)
        #expect([130, 125].contains(try copy.end(seconds: 10).status))
        let long = try machine.host.start(["cp", scratch.path + "/f", "web:/tmp/huge"])
        let grows = RunningProgram.wait(seconds: 30) {
            (try? machine.shell("test ! -s /tmp/huge || echo yes")) == "yes\n"
        }
        #expect(grows)
        long.send(SIGINT)
        #expect(try long.end(seconds: 10).status == 130)
        try machine.shell("rm -f /tmp/huge")
    }

    private static let refusals = [
        (["a", "b"], "neither place is in a machine; write one as MACHINE:PATH"),
        (["web:/a", "web:/b"], "both places are in machines"),
        (["web:", "b"], "'web:' has no path behind its colon"),
        ([":/a", "b"], "':/a' names no machine before its colon"),
        (["web:/nothing", "b"], "cannot open \"web:/nothing\": no such file or directory"),
        (["/no/such", "web:/b"], "cannot open \"/no/such\": no such file or directory"),
        (["/etc/hosts", "web:/no/b"], "cannot copy to \"web:/no/b\": no such file or directory"),
        (["web:/etc/passwd", "/no/b"], "cannot copy to \"/no/b\": no such file or directory"),
        (
            ["/etc/hosts", "web:/etc/passwd/"],
            "cannot copy to \"web:/etc/passwd/\": not a directory"
        ),
        (["no-machine:/a", "b"], "no such machine: \"no-machine\""),
    ]

    @Test func `What cannot be is refused with a sentence`() throws {
        let machine = try GuestMachine()
        for (places, text) in Self.refusals {
            let result = try machine.host.swiftlet("cp", places[0], places[1])
            #expect(result.status == 125, "\(places)")
            #expect(result.errorText.hasPrefix("swiftlet: " + text), "\(result.errorText)")
            #expect(result.errorText.count { $0 == "\n" } == 1)
        }
    }
}

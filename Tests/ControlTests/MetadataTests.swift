// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Control

@Suite struct DigestTests {
    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    // FIPS 180-4 examples, and RFC 4231, 4.2, 4.3 and 4.7.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `A digest is the standard's`(_ text: String, _ digest: String) {
        #expect(Self.hexadecimal(SHA256.digest(Array(text.utf8))) == digest)
    }

    @Test(
        arguments: [
            (
                [UInt8](repeating: 0x0b, count: 20), "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xaa, count: 131),
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
        ] as [([UInt8], String, String)])
    func `A code is the standard's`(_ key: [UInt8], _ text: String, _ code: String) {
        #expect(Self.hexadecimal(SHA256.authentication(key: key, Array(text.utf8))) == code)
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func `Bytes as text are the standard's`(_ bytes: String, _ text: String) {
        #expect(Base64.encode(Array(bytes.utf8)) == text)
        #expect(Base64.decode(text) == Array(bytes.utf8))
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zh==", "Zg===", "=Zg=", "Z g=", "Zm9v===="])
    func `Text in another form is no bytes`(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }
}

@Suite struct MetadataTests {
    static let tree = #"""
        {"latest":{"meta-data":{"ami-id":"ami-1","tags":{"a/b":"slash","m~n":"tilde"},"n":1,
        "list":["x","y"],"empty":{}}}}
        """#

    static func service(
        _ version: MMDSConfig.Version, compatible: Bool = false
    ) throws -> (MetadataService, MetadataTokens) {
        var config = MMDSConfig(interfaces: ["eth0"])
        config.version = version
        config.isIMDSCompatible = compatible
        let metadata = Metadata(limit: 51_200)
        let json = try JSONParser.parse(tree)
        try metadata.withStore { store throws(MetadataStore.Fault) in try store.put(json) }
        let tokens = MetadataTokens(key: [UInt8](repeating: 7, count: 32), id: "vm")
        return (MetadataService(config, tokens: tokens, metadata: metadata), tokens)
    }

    static func text(_ reply: HTTPReply) -> String { String(decoding: reply.body, as: UTF8.self) }

    @Test(
        arguments: [
            ("/latest", "meta-data/"), ("/latest/", "meta-data/"), ("//latest//", "meta-data/"),
            ("/latest/meta-data", "ami-id\ntags/\nn\nlist\nempty/"),
            ("/latest/meta-data/ami-id", "ami-1"), ("/latest/meta-data/list/1", "y"),
            ("/latest/meta-data/tags/a~1b", "slash"), ("/latest/meta-data/tags/m~0n", "tilde"),
            ("/", "latest/"), ("/latest/meta-data/empty", ""),
        ] as [(String, String)])
    func `A path tells names or a value`(_ path: String, _ text: String) throws {
        let (service, _) = try Self.service(.v1)
        let (reply, event) = service.answer(HTTPRequest(.get, path), now: 0, salt: 0)
        #expect(reply.status == .ok)
        #expect(reply.contentType == "text/plain")
        #expect(Self.text(reply) == text)
        #expect(event == .noToken)
    }

    @Test(arguments: [
        ("/x", 404), ("/latest/meta-data/list/2", 404), ("/latest/meta-data/list/01", 404),
        ("/latest/meta-data/list/-1", 404), ("/latest/meta-data/ami-id/x", 404),
        ("/latest/meta-data/n", 501), ("/latest/meta-data/list", 501),
    ])
    func `What is not there, or is no text, says so`(_ path: String, _ status: Int) throws {
        let (service, _) = try Self.service(.v1)
        let (reply, _) = service.answer(HTTPRequest(.get, path), now: 0, salt: 0)
        #expect(reply.status.rawValue == status)
    }

    @Test func `Who accepts JSON gets it, unless EC2's way is asked for`() throws {
        let request = HTTPRequest(
            .get, "/latest/meta-data/n", fields: [HTTPField("accept", "application/json")])
        let (reply, _) = try Self.service(.v1).0.answer(request, now: 0, salt: 0)
        #expect(Self.text(reply) == "1")
        #expect(reply.contentType == "application/json")
        let other = try Self.service(.v1, compatible: true).0.answer(request, now: 0, salt: 0)
        #expect(other.reply.status == .notImplemented)
    }

    private static func put(_ path: String, _ fields: [HTTPField]) -> HTTPRequest {
        HTTPRequest(.put, path, fields: fields)
    }

    @Test func `Version 2 wants a token that is true and not too old`() throws {
        let (service, _) = try Self.service(.v2)
        let life = HTTPField("x-metadata-token-ttl-seconds", "60")
        let (made, _) = service.answer(Self.put("/latest/api/token", [life]), now: 1000, salt: 5)
        #expect(made.status == .ok)
        #expect(made.fields == [life])
        let token = Self.text(made)
        #expect(token.utf8.count == 48)
        let get = { (token: String, now: UInt64) in
            service.answer(
                HTTPRequest(
                    .get, "/latest", fields: [HTTPField("x-aws-ec2-metadata-token", token)]),
                now: now, salt: 0)
        }
        #expect(get(token, 60_999).reply.status == .ok)
        #expect(get(token, 61_000).reply.status == .unauthorized)
        #expect(get("", 1000).event == .invalidToken)
        // Any other token is none.
        for index in token.indices {
            var copy = token
            copy.replaceSubrange(index...index, with: token[index] == "A" ? "B" : "A")
            #expect(get(copy, 1000).event == .invalidToken)
        }
        let without = service.answer(HTTPRequest(.get, "/latest"), now: 0, salt: 0)
        #expect(without.reply.status == .unauthorized)
        #expect(without.event == .noToken)
        let elsewhere = MetadataTokens(key: [UInt8](repeating: 7, count: 32), id: "other")
        #expect(!elsewhere.isValid(token, now: 1000))
    }

    @Test(
        arguments: [
            ("/latest/api/token", [], 400), ("/latest/api/x", [], 404),
            ("/latest/api/token", [HTTPField("x-metadata-token-ttl-seconds", "0")], 400),
            ("/latest/api/token", [HTTPField("x-metadata-token-ttl-seconds", "21601")], 400),
            ("/latest/api/token", [HTTPField("x-metadata-token-ttl-seconds", "-1")], 400),
            (
                "/latest/api/token",
                [
                    HTTPField("x-metadata-token-ttl-seconds", "1"),
                    HTTPField("x-forwarded-for", "10.0.0.1"),
                ], 400
            ),
            ("/latest/api/token", [HTTPField("x-metadata-token-ttl-seconds", "21600")], 200),
            ("/latest/api/token", [HTTPField("x-aws-ec2-metadata-token-ttl-seconds", "1")], 200),
        ] as [(String, [HTTPField], Int)])
    func `A token is made for a time that is allowed`(
        _ path: String, _ fields: [HTTPField], _ status: Int
    ) throws {
        let (service, _) = try Self.service(.v2)
        let (reply, _) = service.answer(Self.put(path, fields), now: 0, salt: 0)
        #expect(reply.status.rawValue == status)
    }

    @Test func `Other methods are told what there is`() throws {
        let (reply, _) = try Self.service(.v1).0.answer(
            HTTPRequest(.delete, "/"), now: 0, salt: 0)
        #expect(reply.status == .methodNotAllowed)
        #expect(reply.fields == [HTTPField("Allow", "GET, PUT")])
    }

    @Test func `A connection answers in order and ends at nonsense`() throws {
        let (service, _) = try Self.service(.v1)
        var session = MetadataSession(service)
        let receive = { (text: String) in
            let (bytes, isOver) = session.receive(
                Array(text.utf8), now: 0, salt: { 0 }, count: { _ in })
            return (String(decoding: bytes, as: UTF8.self), isOver)
        }
        let two = "GET /latest/meta-data/ami-id HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
        let first = receive(String(two.prefix(10)))
        #expect(first.0.isEmpty && !first.1)
        let second = receive(String(two.dropFirst(10)))
        #expect(second.0.contains("ami-1HTTP/1.1 404"))
        #expect(!second.1)
        let third = receive("nonsense\r\n\r\n")
        #expect(third.0.hasPrefix("HTTP/1.1 400"))
        #expect(third.1)
    }

    // RFC 7396, appendix A.
    @Test(arguments: [
        (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
        (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
        (#"{"a":"b"}"#, #"{"a":null}"#, "{}"),
        (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
        (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
        (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
        (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
        (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#),
        (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
        (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#),
        (#"{"a":"foo"}"#, "null", "null"),
        (#"{"a":"foo"}"#, #""bar""#, #""bar""#),
        (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#),
        ("[1,2]", #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
        ("{}", #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
    ])
    func `A merge is the standard's`(_ target: String, _ patch: String, _ result: String) throws {
        let merged = try JSONParser.parse(target).merged(with: try JSONParser.parse(patch))
        #expect(merged.text == result)
    }
}

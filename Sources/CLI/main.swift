import ArgumentParser
struct S: ParsableCommand { @Flag(name: .short) var v = false
 @Argument(parsing: .captureForPassthrough) var command: [String] = []
 func run() throws { print("x", command) } }
S.main()

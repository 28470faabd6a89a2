// SPDX-License-Identifier: Apache-2.0

/// What the machine boots: Firecracker's `boot-source`.
package struct BootSource: APIObject {
    package static var fields: [String] { ["kernel_image_path", "initrd_path", "boot_args"] }

    package var kernelPath: String
    package var initrdPath: String?
    /// The kernel's command line; nil: the monitor's own.
    package var arguments: String?

    /// Longest command line in bytes: what Linux reads of one.
    private static var argumentLimit: Int { 2047 }

    /// What no kernel can be given; nil: nothing.
    var fault: ConfigFault? {
        guard let arguments, arguments.utf8.count > Self.argumentLimit else { return nil }
        return ConfigFault(
            "Boot source error",
            "The kernel command line is invalid: Inserting string would make command line too"
                + " long.")
    }

    package init(kernelPath: String, initrdPath: String? = nil, arguments: String? = nil) {
        self.kernelPath = kernelPath
        self.initrdPath = initrdPath
        self.arguments = arguments
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        kernelPath = try fields.require("kernel_image_path", as: JSON.asPath)
        initrdPath = try fields.optional("initrd_path", as: JSON.asPath)
        arguments = try fields.optional("boot_args", as: JSON.asText)
    }

    package var json: JSON {
        .object([
            ("kernel_image_path", .string(kernelPath)),
            ("initrd_path", .text(initrdPath)),
            ("boot_args", .text(arguments)),
        ])
    }
}

extension JSON {
    /// A string without a zero byte, which the kernel would take for its end.
    func asText() throws(JSONError) -> String {
        let text = try asString()
        guard !text.utf8.contains(0) else { throw invalid("a zero byte inside the string") }
        return text
    }

    /// A string that can be a path.
    func asPath() throws(JSONError) -> String {
        let text = try asText()
        guard !text.isEmpty else { throw invalid("the path is empty") }
        return text
    }
}

// SPDX-License-Identifier: Apache-2.0
import Linux

CurrentProcess.exit(Jailer.run(CommandLine.arguments))

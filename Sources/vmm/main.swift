// SPDX-License-Identifier: Apache-2.0
import Linux

CurrentProcess.exit(Monitor.run(CurrentProcess.arguments))

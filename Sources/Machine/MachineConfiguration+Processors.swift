// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// Changes to what the guest's processors are, made before their first instruction.
extension MachineConfiguration {
    /// What CPUID answers in.
    package enum IdentityRegister: Sendable {
        case eax, ebx, ecx, edx

        fileprivate var register: CPUIDRegister {
            switch self {
            case .eax: .eax
            case .ebx: .ebx
            case .ecx: .ecx
            case .edx: .edx
            }
        }
    }

    /// Lets CPUID answer with the bits of `value` where those of `mask` are set.
    package mutating func fixIdentity(
        leaf: UInt32, subleaf: UInt32, _ register: IdentityRegister, mask: UInt64, value: UInt64
    ) {
        changeTemplate { template in
            var leaf = CPUTemplate.Leaf(leaf: leaf, index: subleaf)
            leaf.registers[register.register] = BitModifier(mask: mask, value: value)
            template.leaves.append(leaf)
        }
    }

    /// Lets a model-specific register begin with the bits of `value` where those of `mask` are set.
    package mutating func fixModelSpecific(_ number: UInt32, mask: UInt64, value: UInt64) {
        changeTemplate { template in
            template.registers.append(
                CPUTemplate.Register(
                    number: number, bits: BitModifier(mask: mask, value: value)))
        }
    }

    /// Makes no machine on a KVM without this capability, or does not insist on it.
    package mutating func setCapability(_ number: UInt32, isRequired: Bool) {
        changeTemplate { template in
            if isRequired {
                template.requiredCapabilities.append(number)
            } else {
                template.waivedCapabilities.append(number)
            }
        }
    }

    private mutating func changeTemplate(_ change: (inout CPUTemplate) -> Void) {
        var new = template ?? CPUTemplate()
        change(&new)
        template = new
    }
}

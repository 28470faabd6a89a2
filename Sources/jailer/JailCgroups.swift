// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// The control groups that the arguments ask for.
struct JailCgroups {
    /// A group in one tree and what its files get.
    private struct Wanted {
        let tree: CgroupMounts.Tree
        var properties: [Cgroup.Property]
    }

    private var wanted: [Wanted] = []
    /// A tree of version 2 where the process goes into the parent, if that is there.
    private var moved: CgroupMounts.Tree?
    private let parent: [String]
    private let identifier: String

    /// Finds the trees; nothing is made yet.
    init(_ arguments: JailerArguments, program: String) throws(JailFailure) {
        parent = arguments.parentCgroup ?? [program]
        identifier = arguments.identifier
        let properties = arguments.cgroupProperties.map {
            Cgroup.Property(file: $0.file, value: $0.value)
        }
        guard !properties.isEmpty || arguments.cgroupVersion == 2 else { return }
        let mounts = CgroupMounts(HostFiles().lines("/proc/self/mounts"))
        if arguments.cgroupVersion == 2 {
            guard let tree = mounts.unified else { throw Self.missing }
            if properties.isEmpty {
                moved = tree
            } else {
                wanted = [Wanted(tree: tree, properties: properties)]
            }
            return
        }
        guard mounts.trees.contains(where: { $0.version == .first }) else { throw Self.missing }
        for property in properties {
            guard let tree = mounts.tree(of: property.controller) else {
                throw JailFailure("Controller \(property.controller) is unavailable")
            }
            if let index = wanted.firstIndex(where: { $0.tree == tree }) {
                wanted[index].properties.append(property)
            } else {
                wanted.append(Wanted(tree: tree, properties: [property]))
            }
        }
    }

    private static var missing: JailFailure {
        JailFailure("Hierarchy not found: No hierarchy found for this cgroup version.")
    }

    /// Makes the groups and goes into them.
    func apply(undo: Undo) throws(JailFailure) {
        do throws(Cgroup.Failure) {
            if let moved { _ = try Cgroup.move(to: parent, in: moved) }
            for wanted in wanted {
                let group = try Cgroup(in: wanted.tree, at: parent + [identifier])
                undo.add { group.undo() }
                try group.set(wanted.properties)
                try group.join()
            }
        } catch {
            throw JailFailure(error.description)
        }
    }
}

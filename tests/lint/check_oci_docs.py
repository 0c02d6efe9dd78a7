#!/usr/bin/env python3
"""Every field of the runtime specification has its row in docs/oci.md, and is read by runsc-cli/oci unless nothing
happens to it; nothing is read that has no row."""

import pathlib
import re
import sys

REPO = pathlib.Path(__file__).resolve().parents[2]

# config.md and config-linux.md of the runtime specification, 1.3. What a row says of a field goes for those inside it.
FIELDS = """
ociVersion annotations root.path root.readonly hostname domainname
mounts[].destination mounts[].type mounts[].source mounts[].options mounts[].uidMappings mounts[].gidMappings
process.terminal process.consoleSize process.cwd process.env process.args process.commandLine process.user.uid
process.user.gid process.user.umask process.user.additionalGids process.user.username process.capabilities
process.rlimits process.noNewPrivileges process.oomScoreAdj process.apparmorProfile process.selinuxLabel
process.scheduler process.ioPriority process.execCPUAffinity
hooks.prestart hooks.createRuntime hooks.createContainer hooks.startContainer hooks.poststart hooks.poststop
linux.namespaces linux.uidMappings linux.gidMappings linux.timeOffsets linux.devices linux.netDevices
linux.cgroupsPath linux.resources.devices linux.resources.memory.limit linux.resources.memory.reservation
linux.resources.memory.swap linux.resources.memory.kernel linux.resources.memory.kernelTCP
linux.resources.memory.swappiness linux.resources.memory.disableOOMKiller linux.resources.memory.useHierarchy
linux.resources.memory.checkBeforeUpdate linux.resources.cpu.shares linux.resources.cpu.quota linux.resources.cpu.burst
linux.resources.cpu.period linux.resources.cpu.realtimeRuntime linux.resources.cpu.realtimePeriod
linux.resources.cpu.idle linux.resources.cpu.cpus linux.resources.cpu.mems linux.resources.pids.limit
linux.resources.blockIO.weight linux.resources.blockIO.leafWeight linux.resources.blockIO.weightDevice
linux.resources.blockIO.throttleReadBpsDevice linux.resources.blockIO.throttleWriteBpsDevice
linux.resources.blockIO.throttleReadIOPSDevice linux.resources.blockIO.throttleWriteIOPSDevice
linux.resources.hugepageLimits linux.resources.network.classID linux.resources.network.priorities linux.resources.rdma
linux.resources.unified linux.rootfsPropagation linux.seccomp linux.seccomp.listenerPath linux.seccomp.listenerMetadata
linux.maskedPaths linux.readonlyPaths linux.mountLabel linux.personality linux.sysctl linux.intelRdt linux.memoryPolicy
solaris windows vm zos freebsd
""".split()

# Names inside a field that has one row for all of them.
INNER = """
process root mounts hooks linux user resources memory cpu pids blockIO network
height width bounding effective inheritable permitted ambient type hard soft policy nice priority flags runtime
deadline period class path args env timeout containerID hostID size secs nanosecs major minor fileMode uid gid allow
access rate weight leafWeight pageSize name hcaHandles hcaObjects defaultAction defaultErrnoRet architectures syscalls
names action errnoRet index value valueTwo op domain limit
""".split()


def rows():
    text = (REPO / "docs/oci.md").read_text()
    return dict(re.findall(r"^\| `([^`]+)` \| (\w+) \|", text, re.M))


def names_read():
    names = set()
    for file in (REPO / "runsc-cli/oci").glob("*.cc"):
        if file.name.endswith("_test.cc") or file.name == "spec_writer.cc":
            continue
        text = file.read_text()
        names |= set(re.findall(r'Field\("([^"]+)"\)', text))
        for group in re.findall(r"look\([^{]*\{([^}]*)\}", text):
            names |= set(re.findall(r'"([^"]+)"', group))
    return names


def main():
    problems = []
    table, read = rows(), names_read()
    problems += [f"docs/oci.md has no row for {field}" for field in FIELDS if field not in table]
    problems += [f"docs/oci.md has a row for {field}, which is no field" for field in table if field not in FIELDS]
    for field, where in table.items():
        leaf = field.split(".")[-1]
        if where not in ("guest", "host", "refused", "warned", "none"):
            problems.append(f"docs/oci.md says {where!r} of {field}")
        elif where != "none" and leaf not in read and not leaf.startswith("mounts[]"):
            problems.append(f"docs/oci.md says {where} of {field}, but runsc-cli/oci does not read it")
    known = {field.split(".")[-1] for field in FIELDS} | set(INNER)
    problems += [f"runsc-cli/oci reads {name}, which docs/oci.md does not know" for name in sorted(read - known)]
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

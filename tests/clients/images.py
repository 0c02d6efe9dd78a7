"""Images made on the spot, as no registry is reachable: busybox alone, in the archive format all clients load."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

NAME = "localhost/busybox:1"
PAUSE = "localhost/pause:1"

PASSWD = "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n"
GROUP = "root:x:0:\nguest:x:1000:\n"


def layer():
    """A tar of a root file system whose only program is busybox."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in ("bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "run", "var", "usr", "usr/bin"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        busybox = shutil.which("busybox")
        with open(busybox, "rb") as file:
            entry = tarfile.TarInfo("bin/busybox")
            entry.size, entry.mode = os.path.getsize(busybox), 0o755
            tar.addfile(entry, file)
        applets = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        for applet in applets:
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
        for name, text in (("etc/passwd", PASSWD), ("etc/group", GROUP)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return data.getvalue()


def archive(path):
    """Writes a docker-archive with NAME and PAUSE, which differ in their command."""
    tree = layer()
    digest = hashlib.sha256(tree).hexdigest()
    manifest, files = [], {"layer.tar": tree}
    commands = {NAME: ["sh"], PAUSE: ["tail", "-f", "/dev/null"]}
    for name, command in commands.items():
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/bin:/bin:/sbin"], "Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "tests/clients/images.py"}],
        }).encode()
        file = hashlib.sha256(config).hexdigest() + ".json"
        files[file] = config
        manifest.append({"Config": file, "RepoTags": [name], "Layers": ["layer.tar"]})
    files["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path

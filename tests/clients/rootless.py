"""Podman as an ordinary user, in a user namespace made with newuidmap."""

import os
import shutil

from harness import run
from podman import Podman

UID = 2000


class Rootless(Podman):
    name = "rootless"
    user = UID

    @classmethod
    def steps(cls):
        # Without a cgroup of one's own there is nothing to pause.
        return [method for method in Podman.steps() if method.step != "pause, unpause"]

    def own(self):
        if run("id", "-u", "ordinary").code != 0:
            run("useradd", "--uid", UID, "--no-create-home", "ordinary").ok()
        for path in ("/etc/subuid", "/etc/subgid"):
            with open(path, "w") as file:
                file.write("ordinary:100000:65536\n")
        for path in (self.base, self.home, self.run_dir):
            shutil.chown(path, UID, UID)
        shutil.chown(f"{self.base}/containers.conf", UID, UID)
        os.chmod(f"{self.base}/images.tar", 0o644)

    def args(self, *args):
        inner = super().args("--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", *args)
        return ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups", *inner]

    def podman(self, *args, **kwargs):
        return run(*self.args(*args), env=self.environment, **kwargs)

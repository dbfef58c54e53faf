"""A small file system of our own, to fill up. Needs root, as CI has: without it the test fails."""

import errno
import os
import subprocess
import tempfile


class Tmpfs:
    """A tmpfs of `mib` MiB, mounted for the length of a `with`; its path."""

    def __init__(self, mib):
        self.mib = mib

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="headrace-disk-")
        self._mount("-t", "tmpfs", "-o", f"size={self.mib}m", "tmpfs", self.path)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.path], check=True)
        os.rmdir(self.path)

    @staticmethod
    def _mount(*args):
        done = subprocess.run(["mount", *args], capture_output=True, text=True)
        assert done.returncode == 0, (
            "this test fills a file system of its own and cannot mount one: run it as root "
            "(in a container with CAP_SYS_ADMIN): " + done.stderr)

    def make_read_only(self):
        self._mount("-o", "remount,ro", self.path)

    def free(self):
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def fill(self, leave=0):
        """Takes all space but `leave` bytes."""
        with open(self.path + "/filler", "wb", buffering=0) as file:
            if leave:
                os.posix_fallocate(file.fileno(), 0, self.free() - leave)
                return
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC, error

    def clear(self):
        os.unlink(self.path + "/filler")

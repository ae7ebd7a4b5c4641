# SPDX-License-Identifier: MIT
"""A disk of the test's own under a folder: an ext4 on a loop device, whose power can be cut. It is mounted in a mount namespace that only the
test's thread and the processes that it starts are in, so that nobody else holds it.

    with Disk(folder, uid) as disk:
        …
        disk.cut()              # nothing reaches it any more, and what was not synced is lost
        disk.plug_in()          # what is there after the power came back

What keeps a machine from it (no root, no loop devices, no mkfs.ext4) is in missing().
"""
import ctypes
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess

from world import IS_ROOT, OWN_MOUNTS

FS_IOC_SHUTDOWN, WITHOUT_FLUSH = 0x8004587D, 2          # from the kernel's uapi: stop at once, flush no journal
CLONE_NEWNS = 0x20000
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
libc = ctypes.CDLL(None, use_errno=True)


def missing():
    """Why there can be no such disk, or None."""
    if not IS_ROOT:
        return "needs root: mount"
    if not OWN_MOUNTS:
        return "no mount namespaces here"
    if not shutil.which("mkfs.ext4", path=PATH):
        return "mkfs.ext4 is missing"
    if not pathlib.Path("/dev/loop-control").exists():
        return "there are no loop devices"
    return None


def check(result):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Disk:
    def __init__(self, folder, uid, megabytes=64):
        self.folder, self.image, self.uid = pathlib.Path(folder), pathlib.Path(f"{folder}.img"), uid
        self.mounted, self.outside = False, None
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)

    def run(self, *command):
        subprocess.run([str(word) for word in command], env={"PATH": PATH}, check=True, stdout=subprocess.DEVNULL)

    def __enter__(self):
        self.run("mkfs.ext4", "-q", "-F", self.image)
        self.outside = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            check(libc.unshare(CLONE_NEWNS))
            self.run("mount", "--make-rprivate", "/")
            self.plug_in()
        except BaseException:
            self.__exit__()
            raise
        os.chown(self.folder, self.uid, self.uid)
        self.folder.chmod(0o700)
        return self

    def plug_in(self):
        if self.mounted:
            self.run("umount", self.folder)
        self.run("mount", "-o", "loop", self.image, self.folder)
        self.mounted = True

    def cut(self):
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("=I", WITHOUT_FLUSH))
        finally:
            os.close(fd)

    def remount(self, options):
        self.run("mount", "-o", f"remount,{options}", self.folder)

    def __exit__(self, *_):
        if self.mounted:
            self.run("umount", "--lazy", self.folder)
        libc.setns(self.outside, CLONE_NEWNS)
        os.close(self.outside)
        self.image.unlink()

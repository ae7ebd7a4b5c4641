# SPDX-License-Identifier: MIT
"""A machine that boots: real systemd as PID 1, over an overlay of this machine's own file system.

Everything that is written goes to a tmpfs which only the machine's mount namespace sees, so that nothing needs to be unmounted: when its
processes are gone, all of it is. Users are made and units are started in there only; there is no network.
"""
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
BOOT_TIMEOUT, TIMEOUT = 120, 120
SOURCE = "/srv/websess"         # where the tree is in the machine

# In a mount namespace of its own: the file system, made ready for a boot, then the machine in this process's place.
START = """
set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
root=$1/root
shift
# What this machine starts at boot, mounts, and has logged is its own business.
rm -rf "$root"/etc/systemd/system/*.wants "$root/var/log/journal" "$root/etc/websess" "$root/var/lib/websess"
: > "$root/etc/fstab"
rm -rf "$root/tmp" && mkdir -m 1777 "$root/tmp"
echo "$1" > "$root/etc/websess-machine"
shift
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --link-journal=no --resolv-conf=off --timezone=off \
        --console=pipe -D "$root" "$@"
"""


class Failed(AssertionError):
    def __init__(self, arguments, done):
        super().__init__(f"{' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr


def why_not():
    """Why no machine can be booted here; None when one can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("systemd-nspawn", "unshare", "nsenter"):
        if not shutil.which(program):
            return f"{program} is missing"
    if not os.path.exists("/sbin/init"):
        return "/sbin/init is missing (systemd-sysv)"
    with tempfile.TemporaryDirectory(prefix="websess-") as folder:
        done = subprocess.run(nspawn(folder, "/bin/true"), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return f"systemd-nspawn cannot run here: {done.stderr.strip()}" if done.returncode else None


def nspawn(folder, *arguments):
    return ["unshare", "--mount", "--propagation=private", "/bin/sh", "-c", START, "sh", str(folder), str(folder), *arguments]


class Machine:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="websess-machine-")
        self.console = open(os.path.join(self.folder, "console"), "wb+")
        try:
            self._boot()
        except BaseException:
            self.close()
            raise

    def _boot(self):
        mounts = os.path.join(self.folder, "mnt")
        os.mkdir(mounts)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(os.path.join(self.folder, "notify"))
        notify.settimeout(BOOT_TIMEOUT)
        self.process = subprocess.Popen(nspawn(mounts, "--notify-ready=yes", "--boot"), stdin=subprocess.DEVNULL, stdout=self.console,
                                        stderr=self.console, env=os.environ | {"NOTIFY_SOCKET": os.path.join(self.folder, "notify")},
                                        preexec_fn=die_with_parent)
        self.leader, said = None, ""
        try:
            while not re.search(r"^READY=1$", said, re.M):
                said = notify.recv(65536).decode()
                if match := re.search(r"^X_NSPAWN_LEADER_PID=(\d+)$", said, re.M):
                    self.leader = int(match[1])
        except TimeoutError:
            raise AssertionError(f"the machine did not boot within {BOOT_TIMEOUT} s:\n{self.console_text()}") from None
        finally:
            notify.close()
        # Users are made and files installed in what comes after this: it must be the machine, and nowhere else.
        inside = subprocess.run(self.command(["cat", "/etc/websess-machine"]), capture_output=True, text=True).stdout.strip()
        assert inside == mounts, "commands do not run in the machine that was booted"

    def console_text(self):
        self.console.flush()
        return pathlib.Path(self.console.name).read_text(errors="replace")

    def command(self, arguments, user=None):
        """The command line that runs something in the machine, as root or as one of its users with his own groups."""
        become = ["runuser", "-u", user, "--"] if user else []
        # The machine's namespaces, and its root folder too: where this runs in a chroot, the namespace's root is another. An environment of
        # its own.
        return ["nsenter", "--target", str(self.leader), "--all", "--root", "--wd", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                "PYTHONDONTWRITEBYTECODE=1", *become, *map(str, arguments)]

    def run(self, *arguments, user=None, input=None, check=True, timeout=TIMEOUT):
        """Run a command to its end; its CompletedProcess with text in it. A failure is an exception unless check is False."""
        done = subprocess.run(self.command(arguments, user), input=input or "", capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise Failed(list(map(str, arguments)), done)
        return done

    def out(self, *arguments, **options):
        return self.run(*arguments, **options).stdout.strip()

    def start(self, *arguments, user=None, **options):
        """A Popen of a command in the machine."""
        return subprocess.Popen(self.command(arguments, user), text=True, **({"stdin": subprocess.DEVNULL} | options))

    def write(self, path, text, mode=0o644):
        self.run("install", "-D", "-m", f"{mode:o}", "/dev/stdin", path, input=text)

    def show(self, unit, name):
        return self.out("systemctl", "show", "--value", f"--property={name}", unit)

    def install(self):
        """The tree, as it has been built, and `make install` in it."""
        files = ["Makefile", "include", "lib", "pam", "broker", "systemd", "selinux", "man", "tests"]
        files += [str(BUILD.relative_to(ROOT))]
        pack = subprocess.Popen(["tar", "-C", str(ROOT), "-c", *(f for f in files if (ROOT / f).exists())], stdout=subprocess.PIPE)
        self.run("mkdir", "-p", SOURCE)
        subprocess.run(self.command(["tar", "-C", SOURCE, "-x"]), stdin=pack.stdout, check=True)
        assert pack.wait() == 0
        return self.out("make", "-C", SOURCE, "install", f"BUILD={BUILD.relative_to(ROOT)}")

    def journal(self, *arguments):
        self.run("journalctl", "--sync")
        return self.out("journalctl", "--no-pager", "--quiet", "--all", *arguments)

    def close(self):
        process = getattr(self, "process", None)
        if process is not None:
            # As a power cut: what is in the machine goes with it.
            if process.poll() is None and self.leader:
                os.kill(self.leader, signal.SIGKILL)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.console.close()
        shutil.rmtree(self.folder)


# Found before a fork: in the child of a process with threads the loader must not be called.
prctl = ctypes.CDLL(None).prctl


def die_with_parent():
    """Not even a killed test run leaves a machine behind."""
    prctl(1, signal.SIGTERM)


def wait_until(condition, timeout=TIMEOUT, what="the condition"):
    end = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {timeout} s"
        time.sleep(0.02)
    return result

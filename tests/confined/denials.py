# SPDX-License-Identifier: MIT
"""What is told of each act of misbehave.c when it is denied, and what is not denied to whom: for SELinux and for AppArmor."""

# The target's type, its class, and what was refused.
SELINUX = {
    "read-shadow": ("shadow_t", "file", "read"),
    "read-home": (r"user_home\w*_t|home_root_t", "dir|file", "search|read"),
    "read-other-state": ("var_lib_t", "file", "read"),
    "read-sessions": ("websess_var_lib_t|websessd_t", "dir|file|capability", r"search|read|dac_\w+"),
    "read-environment": ("init_t", "dir|file", "search|read"),
    "read-disk": ("fixed_disk_device_t", "blk_file", "read"),
    "write-users": ("etc_t", "file", "write"),
    "write-policy": ("websess_etc_t", "file", "write"),
    "write-program": ("bin_t", "dir|file", "search|write"),
    "write-unit": ("systemd_unit_t|etc_t", "dir", "write|add_name|search"),
    "write-tmp": ("tmp_t", "dir", "write|search"),
    "connect-out": (r"\w+", "tcp_socket", "create|name_connect"),
    "wait-for-orders": (r"\w+", "tcp_socket", "create|name_bind|bind"),
    "ask-systemd": (r"\w+", "dbus|service|system", "send_msg|start"),
    "exec-shell": ("shell_exec_t|bin_t", "file|lnk_file", "execute|read"),
    "exec-program": ("bin_t", "file|lnk_file", "execute|read"),
    "trace": (r"\w+", "process|capability", "ptrace|sys_ptrace"),
    "signal-others": ("init_t", "process", "signal"),
    "make-code": (r"\w+", "process", "execmem"),
    "load-module": (r"\w+", "capability", "sys_module"),
    "stop-confinement": ("security_t", "dir|file", "search|write"),
}

# Root without capabilities does not even get as far as a rule about the file.
DAC = 'capname="dac_'
APPARMOR = {
    "read-shadow": 'name="/etc/shadow"',
    "read-home": f'name="/home/alice/diary"|{DAC}',
    "read-other-state": 'name="/var/lib/neighbour/state"',
    "read-sessions": f'name="/var/lib/websess/sessions.mdb"|{DAC}',
    "read-environment": f'name="/proc/1/environ"|operation="ptrace"|{DAC}',
    "read-disk": 'name="/dev/vda"',
    "write-users": 'name="/etc/passwd"',
    "write-policy": 'name="/etc/websess/services.d/shop.conf"',
    "write-program": 'name="/usr/bin/websessctl"',
    "write-unit": 'name="/etc/systemd/system/backdoor.service"',
    "write-tmp": 'name="/tmp/backdoor"',
    "connect-out": 'operation="create".*family="inet"',
    "wait-for-orders": 'operation="create".*family="inet"',
    "ask-systemd": "never",
    "exec-shell": 'operation="exec".*name="/usr/bin/dash"',
    "exec-program": 'operation="exec".*name="/usr/bin/true"',
    "trace": 'operation="ptrace"',
    "signal-others": 'operation="signal"',
    "make-code": "never",
    "load-module": 'capname="sys_module"',
    "stop-confinement": 'name="/sys/kernel/security/apparmor/.remove"',
}

# What the programs need themselves, and what is not seen: AppArmor knows no executable memory and no port and, in Debian's kernel, neither who
# connects to a socket that has a path nor what is said on the bus.
ALLOWED = {
    ("selinux", "websessd"): set(),
    ("selinux", "websess-pam"): {"read-shadow"},
    ("apparmor", "websessd"): {"make-code", "ask-systemd"},
    ("apparmor", "websess-pam"): {"read-shadow", "make-code", "ask-systemd", "connect-out", "wait-for-orders"},
}


def pattern(mode, program, act):
    """Of a line of the audit trail about this act of what stands in the place of a program."""
    if mode == "apparmor":
        return rf'apparmor="DENIED"(?=.* profile="{program}")(?=.*({APPARMOR[act]}))'
    target, kind, what = SELINUX[act]
    domain = {"websessd": "websessd_t", "websess-pam": "websess_pam_t"}[program]
    return rf"denied +{{[^}}]*\b({what})\b[^}}]*}} .*scontext=\S+:{domain}:\S+ tcontext=\S+:({target}):\S+ tclass=({kind})\b"

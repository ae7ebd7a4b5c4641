# SPDX-License-Identifier: MIT
"""A program that uses PAM, by ctypes: libpam itself, with services from a folder of the test's own and no wrapper around it.

    pam = PamClient(folder, "shop-login", "alice", answers=["secret"])
    pam.authenticate() == "SUCCESS"; pam.open_session(); pam.environment()["WEBSESS_ID"]; pam.end()

fork=True runs it in a process of its own, as another uid if that is given: what comes back is the same."""

import ctypes
import os
import pickle

NAMES = ("SUCCESS OPEN_ERR SYMBOL_ERR SERVICE_ERR SYSTEM_ERR BUF_ERR PERM_DENIED AUTH_ERR CRED_INSUFFICIENT AUTHINFO_UNAVAIL USER_UNKNOWN MAXTRIES "
         "NEW_AUTHTOK_REQD ACCT_EXPIRED SESSION_ERR CRED_UNAVAIL CRED_EXPIRED CRED_ERR NO_MODULE_DATA CONV_ERR AUTHTOK_ERR AUTHTOK_RECOVERY_ERR "
         "AUTHTOK_LOCK_BUSY AUTHTOK_DISABLE_AGING TRY_AGAIN IGNORE ABORT AUTHTOK_EXPIRED MODULE_UNKNOWN BAD_ITEM CONV_AGAIN INCOMPLETE").split()

RHOST = 4
TTY = 3
ECHO_OFF, ECHO_ON = 1, 2
ESTABLISH_CRED = 2


class Message(ctypes.Structure):
    _fields_ = [("style", ctypes.c_int), ("text", ctypes.c_char_p)]


class Response(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("code", ctypes.c_int)]


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(Message)), ctypes.POINTER(ctypes.POINTER(Response)),
                            ctypes.c_void_p)


class Conversation(ctypes.Structure):
    _fields_ = [("callback", CALLBACK), ("data", ctypes.c_void_p)]


libpam = ctypes.CDLL("libpam.so.0")
libc = ctypes.CDLL(None)
libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p
libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
libc.strdup.argtypes = [ctypes.c_char_p]
libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
libpam.pam_start_confdir.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Conversation), ctypes.c_char_p,
                                     ctypes.POINTER(ctypes.c_void_p)]
libpam.pam_putenv.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
libpam.pam_set_item.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
libpam.pam_getenvlist.argtypes = [ctypes.c_void_p]
libpam.pam_getenvlist.restype = ctypes.POINTER(ctypes.c_char_p)
for function in ("pam_authenticate", "pam_setcred", "pam_acct_mgmt", "pam_open_session", "pam_close_session", "pam_chauthtok", "pam_end"):
    getattr(libpam, function).argtypes = [ctypes.c_void_p, ctypes.c_int]


class PamClient:
    def __init__(self, folder, service, user, answers=(), rhost=None, environment=()):
        self.answers, self.asked = list(answers), 0
        self.conversation = Conversation(CALLBACK(self.converse), None)
        self.handle = ctypes.c_void_p()
        assert libpam.pam_start_confdir(service.encode(), user.encode(), self.conversation, str(folder).encode(), self.handle) == 0
        if rhost:
            assert libpam.pam_set_item(self.handle, RHOST, rhost.encode()) == 0
        for name, value in dict(environment).items():
            self.put(name, value)

    def converse(self, n, messages, responses, data):
        array = ctypes.cast(libc.calloc(n, ctypes.sizeof(Response)), ctypes.POINTER(Response))
        for i in range(n):
            if messages[i].contents.style in (ECHO_OFF, ECHO_ON):
                self.asked += 1
                if not self.answers:
                    return NAMES.index("CONV_ERR")
                array[i].text = libc.strdup(self.answers.pop(0).encode())
        responses[0] = array
        return 0

    def put(self, name, value):
        assert libpam.pam_putenv(self.handle, f"{name}={value}".encode()) == 0

    def set_tty(self, tty):
        assert libpam.pam_set_item(self.handle, TTY, tty.encode()) == 0

    def authenticate(self):
        return NAMES[libpam.pam_authenticate(self.handle, 0)]

    def setcred(self):
        return NAMES[libpam.pam_setcred(self.handle, ESTABLISH_CRED)]

    def acct_mgmt(self):
        return NAMES[libpam.pam_acct_mgmt(self.handle, 0)]

    def open_session(self):
        return NAMES[libpam.pam_open_session(self.handle, 0)]

    def close_session(self):
        return NAMES[libpam.pam_close_session(self.handle, 0)]

    def chauthtok(self):
        return NAMES[libpam.pam_chauthtok(self.handle, 0)]

    def environment(self):
        found, result, i = libpam.pam_getenvlist(self.handle), {}, 0
        while found[i]:
            name, value = found[i].decode().split("=", 1)
            result[name] = value
            i += 1
        return result

    def end(self):
        if self.handle:
            libpam.pam_end(self.handle, 0)
        self.handle = None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.end()


ENTRY_POINTS = ("authenticate", "setcred", "acct_mgmt", "open_session", "close_session", "chauthtok")


def in_child(work, uid=None):
    """work()'s value, from a forked process with that uid."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if uid is not None:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            with os.fdopen(write, "wb") as f:
                pickle.dump(work(), f)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        data = f.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return pickle.loads(data)


def see_another_passwd(path):
    """From here on this process, and no other, finds path in the place of /etc/passwd. False where that may not be."""
    if libc.unshare(0x00020000) != 0:          # CLONE_NEWNS
        return False
    private, bind = 1 << 18 | 1 << 14, 1 << 12    # MS_PRIVATE | MS_REC, MS_BIND
    return libc.mount(b"none", b"/", None, private, None) == 0 and libc.mount(str(path).encode(), b"/etc/passwd", None, bind, None) == 0

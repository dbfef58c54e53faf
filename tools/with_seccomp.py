#!/usr/bin/env python3
"""Runs a command under a container seccomp profile, without a container.

with_seccomp.py [--deny CALL,CALL...] PROFILE COMMAND...

`--deny io_uring_setup` shows what the broker says where io_uring is forbidden. Uses the libseccomp
that every Debian has.
"""
import ctypes
import errno
import json
import os
import sys

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
UNKNOWN_CALL = -1  # not a system call of this architecture


def main(arguments):
    denied = set()
    if arguments[:1] == ["--deny"]:
        denied = set(arguments[1].split(","))
        arguments = arguments[2:]
    if len(arguments) < 2:
        sys.exit(__doc__)
    with open(arguments[0], encoding="utf-8") as file:
        profile = json.load(file)
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(REFUSE)))
    for rule in profile["syscalls"]:
        for name in rule["names"]:
            number = seccomp.seccomp_syscall_resolve_name(name.encode())
            if name in denied or number == UNKNOWN_CALL:
                continue
            if seccomp.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), number, 0) != 0:
                sys.exit("cannot add a rule for %s" % name)
    if seccomp.seccomp_load(context) != 0:
        sys.exit("cannot load the profile: %s" % os.strerror(ctypes.get_errno()))
    os.execvp(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])

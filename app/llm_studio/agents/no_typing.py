"""Keeps a fenced-in agent from typing into the user's terminal: what it typed there, the shell
would run once it has ended, outside of the fence. A filter of system calls, for bubblewrap to load.
"""

from __future__ import annotations

import errno
import os
import platform
import struct

_IOCTL = {
    "x86_64": ((0xC000003E, 16), (0xC000003E, 0x40000000 | 514), (0x40000003, 54)),
    "aarch64": ((0xC00000B7, 29), (0x40000028, 54)),
    "riscv64": ((0xC00000F3, 29),),
}
"""By machine: each architecture whose programs run there, and the number of ioctl in it."""
_TYPING = (0x5412, 0x541C)
"""TIOCSTI, and TIOCLINUX, which pastes on a console."""
_NUMBER, _ARCHITECTURE, _SECOND = 0, 4, 24
_LOAD, _JUMP_IF, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def known() -> bool:
    """Whether such a filter can be made for this machine."""
    return platform.machine() in _IOCTL


def filter_of(machine: str) -> bytes:
    """The filter as the kernel reads it: all is allowed but these two."""
    calls = _IOCTL[machine]
    lines: list[tuple[int, int, int, int]] = []
    for left, (architecture, number) in zip(range(len(calls), 0, -1), calls, strict=True):
        lines += [
            (_LOAD, 0, 0, _ARCHITECTURE),
            (_JUMP_IF, 0, 2, architecture),
            (_LOAD, 0, 0, _NUMBER),
            (_JUMP_IF, (left - 1) * 4 + 1, 0, number),  # to where the request is looked at
        ]
    lines += [
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _SECOND),
        *((_JUMP_IF, len(_TYPING) - at, 0, each) for at, each in enumerate(_TYPING)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def opened() -> int:
    """The filter as a file that a child can be handed; the caller closes it."""
    file = os.memfd_create("llm-studio-fence")
    os.write(file, filter_of(platform.machine()))
    os.lseek(file, 0, os.SEEK_SET)
    return file

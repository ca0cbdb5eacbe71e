"""The sandbox where there is no Docker: namespaces and limits by bubblewrap."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
from pathlib import Path

from llm_studio.bench.sandbox.job import OUTPUT, WORKER, Job, Outcome, SandboxFault, read_outcome

PYTHON = "/usr/bin/python3"
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin")


def command(bwrap: str) -> list[str]:
    """Nothing of the host but its programs, to be read; no network, no rights."""
    words = [
        bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent",
        "--new-session", "--clearenv", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534",
        "--setenv", "PATH", "/usr/bin", "--setenv", "OPENBLAS_NUM_THREADS", "1",
        "--proc", "/proc", "--dev", "/dev", "--size", str(64 << 20), "--tmpfs", "/tmp",
    ]  # fmt: skip
    for folder in SYSTEM:
        path = Path(folder)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), folder]
        elif path.is_dir():
            words += ["--ro-bind", folder, folder]
    words += ["--remount-ro", "/", "--chdir", "/tmp"]
    return [*words, PYTHON, "-I", "-c", WORKER]


def _limited() -> None:
    for name, most in (
        (resource.RLIMIT_NPROC, 64), (resource.RLIMIT_NOFILE, 256), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 64 << 20),
    ):  # fmt: skip
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(name, (most, most))


class BubblewrapSandbox:
    name = "bubblewrap"

    def __init__(self, bwrap: str) -> None:
        self._command = command(bwrap)

    @classmethod
    async def here(cls) -> BubblewrapSandbox | None:
        """None where it is not installed, or this system does not let it work."""
        bwrap = shutil.which("bwrap")
        if bwrap is None or not os.access(PYTHON, os.X_OK):
            return None
        made = cls(bwrap)
        try:
            outcome = await made.run(Job("def one(): return 1", "one", [[]], [5.0]))
        except SandboxFault:
            return None
        return made if outcome.values == [1] else None

    async def run(self, job: Job) -> Outcome:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL, start_new_session=True, preexec_fn=_limited,
            )  # fmt: skip
        except OSError as error:
            raise SandboxFault("The sandbox failed", why=str(error)) from error
        told, timed_out = bytearray(), False
        try:
            async with asyncio.timeout(job.seconds):
                assert process.stdin is not None
                assert process.stdout is not None
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(job.payload())
                    await process.stdin.drain()
                    process.stdin.close()
                while len(told) < OUTPUT and (part := await process.stdout.read(1 << 16)):
                    told += part
        except TimeoutError:
            timed_out = True
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # and all that it started dies with it
            await process.wait()
        return read_outcome(bytes(told), len(job.inputs), timed_out=timed_out)

    async def close(self) -> None:
        """Nothing is kept."""

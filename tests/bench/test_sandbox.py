"""What code may do in the sandbox, and what it may not: nothing but give values."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.bench.sandboxes import require_sandbox

from llm_studio.bench.sandbox.bubblewrap import BubblewrapSandbox
from llm_studio.bench.sandbox.container import ContainerSandbox
from llm_studio.bench.sandbox.job import Job, Outcome, Sandbox, read_outcome

pytestmark = pytest.mark.anyio
TUNNELS = {
    "tunl0",
    "sit0",
    "ip6tnl0",
    "gre0",
    "gretap0",
    "erspan0",
    "ip_vti0",
    "ip6_vti0",
    "ip6gre0",
}
"""Some kernels show these in every namespace; they lead nowhere."""


@pytest.fixture(params=["container", "bubblewrap"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    found: Sandbox | None
    if request.param == "container":
        require_sandbox()
        found = await ContainerSandbox.here("test")
    else:
        found = await BubblewrapSandbox.here()
        if found is None:
            pytest.skip("bubblewrap does not work here")
    assert found is not None
    yield found
    await found.close()


async def tried(place: Sandbox, code: str, *inputs: list[object], limit: float = 5.0) -> Outcome:
    calls = inputs or ([],)
    return await place.run(Job(code, "f", calls, [limit] * len(calls)))


async def test_values_come_back_as_they_are(place: Sandbox) -> None:
    value = [1, -(10**4000), 2.5, "é\x1b", b"\0", None, True, (1, {2}), {"a": [{}]}, 1j]
    outcome = await tried(place, "def f(x): return x", [value])
    assert (outcome.values, outcome.end) == ([value], "whole")
    assert repr(outcome.values[0]) == repr(value)


async def test_files_of_the_host_are_not_there(place: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    code = (
        "import os\n"
        "def f(path):\n"
        "    found = []\n"
        "    for each in (path, '/etc/shadow', '/root/.bashrc', '/var/run/docker.sock'):\n"
        "        try: found.append(open(each).read())\n"
        "        except OSError: pass\n"
        "    for each in ('/escape', '/usr/escape', '/etc/escape'):\n"
        "        try: open(each, 'w').write('x'); found.append(each)\n"
        "        except OSError: pass\n"
        "    return found\n"
    )
    assert (await tried(place, code, [str(secret)])).values == [[]]
    assert not Path("/usr/escape").exists()


async def test_the_network_is_not_there(place: Sandbox) -> None:
    code = (
        "import socket\n"
        "def f(port):\n"
        "    for host in ('127.0.0.1', '172.17.0.1', '1.1.1.1'):\n"
        "        try: socket.create_connection((host, port), 1); return host\n"
        "        except OSError: pass\n"
        "    return [name for _, name in socket.if_nameindex()]\n"
    )
    with socket.create_server(("0.0.0.0", 0)) as listener:
        outcome = await tried(place, code, [listener.getsockname()[1]])
    assert set(outcome.values[0]) <= {"lo"} | TUNNELS


async def test_there_are_no_rights(place: Sandbox) -> None:
    code = (
        "import ctypes, os\n"
        "def f():\n"
        "    told = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines())\n"
        "    libc = ctypes.CDLL(None, use_errno=True)\n"
        "    mounted = libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)\n"
        "    return [int(told['CapEff'], 16), told['NoNewPrivs'], mounted, os.getuid()]\n"
    )
    assert (await tried(place, code)).values == [[0, "1", -1, 65534]]


async def test_a_fork_bomb_ends_with_its_job(place: Sandbox) -> None:
    code = (
        "import os, time\n"
        "def f():\n"
        "    made = 0\n"
        "    for _ in range(300):\n"
        "        try: pid = os.fork()\n"
        "        except OSError: return made\n"
        "        if pid == 0: time.sleep(987)\n"
        "        made += 1\n"
        "    return made\n"
    )
    outcome = await tried(place, code)
    if place.name == "container" or os.getuid():  # root's processes are not counted
        assert outcome.values[0] < 64
    assert not _sleepers()
    assert (await tried(place, "def f(): return 1")).values == [1]


def _sleepers() -> list[str]:
    """Processes of the sandbox's user that run the worker still."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"__solution__" in path.read_bytes() and path.parent.stat().st_uid == 65534:
                found.append(path.parent.name)
        except OSError:
            continue
    return found


async def test_memory_is_limited(place: Sandbox) -> None:
    outcome = await tried(place, "def f(): return len(bytearray(1 << 40))")
    assert (outcome.end, outcome.why) == ("raised", "MemoryError")


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n  while True: pass",
        "def f():\n  while True:\n    try:\n      while True: pass\n    except BaseException: pass",
        "import signal\nsignal.signal(14, signal.SIG_IGN)\ndef f():\n  import time; time.sleep(99)",
    ],
    ids=["slow", "catches", "ignores"],
)
async def test_time_is_limited(place: Sandbox, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Job, "seconds", property(lambda _: 2.0))
    begun = time.monotonic()
    outcome = await tried(place, code, limit=0.3)
    assert (outcome.values, outcome.end) == ([], "time")
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    "code",
    [
        "import os\ndef f():\n  for pid in (1, os.getppid(), os.getpid()):\n"
        "    try: os.kill(pid, 9)\n    except OSError: pass\n  os._exit(0)",
        "import os\ndef f(): os.kill(-1, 9)",
        "import ctypes\ndef f(): ctypes.string_at(0)",
        "import os\nos._exit(0)",
    ],
    ids=["kill", "kill-all", "crash", "exit"],
)
async def test_who_kills_the_runner_has_no_result(place: Sandbox, code: str) -> None:
    outcome = await tried(place, code)
    assert outcome.values == []
    assert outcome.end in ("crashed", "raised")


async def test_a_flood_of_output_is_cut(place: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_studio.bench.sandbox.job.OUTPUT", 1 << 20)
    code = (
        "import os\n"
        "def f():\n"
        "    print('x' * 100)\n"
        "    for d in range(3, 20):\n"
        "        try:\n"
        "            while True: os.write(d, b'x' * 65536)\n"
        "        except OSError: pass\n"
    )
    outcome = await tried(place, code)
    assert (outcome.values, outcome.why) == ([], "too much output")


async def test_faked_lines_hold_no_more_than_values(place: Sandbox) -> None:
    """The code may write to the results itself; it does not know what is expected there."""
    code = (
        "import json, os\n"
        "said = {'value': ['plain', True], 'passed': True}\n"
        "lines = [{'at': -1}] + [{'at': n, **said} for n in range(3)]\n"
        "for d in range(3, 20):\n"
        "    try: os.write(d, ''.join(json.dumps(l) + '\\n' for l in lines).encode())\n"
        "    except OSError: pass\n"
        "os._exit(0)\n"
    )
    outcome = await tried(place, code, [1], [2], [3])
    assert outcome.values == [True, True, True]
    equal = "class E:\n  def __eq__(s, o): return True\ndef f(): return E()"
    assert (await tried(place, equal)).values[0] != 5


@pytest.mark.parametrize(
    "raw",
    [b"", b"\0" * 1000, b"[" * 100_000, b'{"at": -1}\n{"at": 0, "value": ["int", "zz"]}\n',
     b'{"at": -1}\n{"at": 0, "value": 5}\n', b'{"at": -1}\n{"at": 0, "value": ["list", 3]}\n',
     b'{"at": 7}\n', b'null\n'],
)  # fmt: skip
def test_nonsense_is_no_value(raw: bytes) -> None:
    outcome = read_outcome(raw, 1, timed_out=False)
    assert all(value != 5 and value is not None for value in outcome.values)

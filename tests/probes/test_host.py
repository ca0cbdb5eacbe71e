"""The machine's own figures, and what a process really holds in memory."""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from llm_studio.probes import host as host_module
from llm_studio.probes.host import HostProbe, memory_of
from llm_studio.schema import HostSample

MiB = 1 << 20
linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")


def test_a_reading_agrees_with_the_system(tmp_path: Path) -> None:
    probe = HostProbe(tmp_path / "models")
    first = HostSample.model_validate(probe.read())
    assert (first.cpu, first.received) == (None, None)  # of what time would they be?
    second = HostSample.model_validate(probe.read())
    memory = psutil.virtual_memory()
    assert second.cores is not None
    assert len(second.cores) == psutil.cpu_count()
    assert second.memory_total == memory.total
    assert second.memory_available == pytest.approx(memory.available, rel=0.2)
    assert second.disk_total == psutil.disk_usage(str(tmp_path)).total
    assert second.received is not None
    assert second.received >= 0
    assert (second.engine_memory, second.engine_mapped) == (None, None)
    probe.close()


@linux
def test_what_a_mapped_file_really_takes(tmp_path: Path) -> None:
    """Only pages that were touched count, and only as mapped."""
    path = tmp_path / "model"
    path.write_bytes(os.urandom(64 * MiB))
    before = memory_of([os.getpid()])["engine_mapped"]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        for at in range(0, 32 * MiB, mmap.PAGESIZE):
            mapped[at]
        grown = memory_of([os.getpid()])["engine_mapped"] - before
    assert 31 * MiB < grown <= 65 * MiB


@linux
def test_the_engine_is_its_process_and_those_that_it_started(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as parent:
        probe = HostProbe(tmp_path)
        try:
            while len(probe.engine_pids) < 2:
                probe._families = {}
                reading = probe.read((parent.pid,))
            assert parent.pid in probe.engine_pids
            assert reading["engine_memory"] > MiB
        finally:
            assert parent.stdin is not None
            parent.stdin.close()
    assert "engine_memory" not in probe.read((parent.pid,))


def test_a_disk_that_hangs_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(host_module, "DISK_EVERY", 0.0)
    monkeypatch.setattr(psutil, "disk_usage", lambda _: hangs.wait(20))
    probe = HostProbe(tmp_path)
    for _ in range(5):
        reading = probe.read()
        assert "disk_free" not in reading
        assert reading["memory_total"]
    hangs.set()
    probe.close()


def test_a_figure_that_the_system_refuses_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("not here")

    for name in ("cpu_percent", "swap_memory", "net_io_counters", "disk_usage"):
        monkeypatch.setattr(psutil, name, refuse)
    reading = HostSample.model_validate(HostProbe(tmp_path).read())
    assert reading.memory_total
    assert (reading.cpu, reading.swap_total, reading.disk_free) == (None, None, None)


def test_traffic_is_a_rate_and_never_negative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = iter([1000, 5000, 200])
    counters = psutil.net_io_counters(pernic=True)
    one = next(iter(counters.values()))
    name = next((n for _, n in socket.if_nameindex() if not n.startswith("lo")), "eth0")
    monkeypatch.setattr(
        psutil,
        "net_io_counters",
        lambda pernic: {name: one._replace(bytes_recv=next(counted), bytes_sent=0)},
    )
    probe = HostProbe(tmp_path)
    assert "received" not in probe.read()
    assert probe.read()["received"] > 0
    assert "received" not in probe.read()  # it counts anew

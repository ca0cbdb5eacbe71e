"""What there is to serve with, where the driver takes its time."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from llm_studio.models.memory import Device, GiB
from llm_studio.probes import machine
from llm_studio.probes.overhead import UNMEASURED


def test_a_driver_that_hangs_holds_up_nothing_but_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, asked = threading.Event(), []

    def look() -> machine.Found:
        asked.append(time.monotonic())
        gate.wait(30)
        return (Device("GPU 0", GiB, GiB, "GPU-a", "a"),), ()

    monkeypatch.setattr(machine, "_look", look)
    monkeypatch.setattr(machine, "_driver", machine._Driver())
    monkeypatch.setattr(machine, "PATIENCE", 0.05)
    for _ in range(20):  # and as many threads would hang
        told = machine.this_machine(tmp_path)
        assert told.devices == ()
        assert "does not answer" in told.notes[0]
    assert len(asked) == 1
    gate.set()
    monkeypatch.setattr(machine, "PATIENCE", 10.0)
    while not (told := machine.this_machine(tmp_path)).devices:
        time.sleep(0)
    assert told.notes == ()
    assert told.devices[0].overhead == UNMEASURED

"""NVIDIA GPUs, through the driver's own library."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pynvml

from llm_studio.probes.gpu import Found, Reading
from llm_studio.probes.lane import Lane
from llm_studio.probes.nvml import Gone, Handle, close_driver, open_driver, told
from llm_studio.probes.xid import Xid, XidEvents
from llm_studio.text import untrusted_line

THROTTLES = {
    pynvml.nvmlClocksEventReasonApplicationsClocksSetting: "clocks set by a program",
    pynvml.nvmlClocksEventReasonSwPowerCap: "power limit",
    pynvml.nvmlClocksEventReasonHwSlowdown: "hardware slowdown",
    pynvml.nvmlClocksEventReasonSyncBoost: "sync boost",
    pynvml.nvmlClocksEventReasonSwThermalSlowdown: "temperature",
    pynvml.nvmlClocksEventReasonHwThermalSlowdown: "temperature (hardware)",
    pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown: "power brake",
    pynvml.nvmlClocksEventReasonDisplayClockSetting: "display clocks",
}
KB = 1024


def probe() -> Nvidia:
    return Nvidia()


class Nvidia:
    kind = "nvidia"

    def __init__(self, *, may_reload: bool = False) -> None:
        """As `open_driver` means it."""
        self._may_reload = may_reload
        self._open = False
        self._gpus: list[NvidiaGpu] = []
        self._known: dict[int, Reading] = {}
        """What each GPU once told of itself, so that one that is lost still has a name."""
        self._xids: dict[int, Xid] = {}
        """The last that each GPU had; it matters most when the GPU is gone."""
        self._events: XidEvents | None = None

    def look(self) -> Found:
        self.close()
        trouble = open_driver(may_reload=self._may_reload)
        if trouble is not None:
            return Found(notes=(trouble,) if trouble else ())
        self._open = True
        try:
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            return Found(notes=(f"The NVIDIA driver does not list its GPUs: {told(error)}.",))
        self._events = XidEvents(self._xids)
        self._gpus = [
            NvidiaGpu(index, self._events, self._known.setdefault(index, {}))
            for index in range(count)
        ]
        return Found(tuple(self._gpus))

    def close(self) -> None:
        for gpu in self._gpus:
            gpu.close()
        self._gpus = []
        if self._events is not None:
            self._events.close()
            self._events = None
        if self._open:
            close_driver()
            self._open = False


class NvidiaGpu:
    """One GPU by its place on the PCI bus, which is how CUDA counts too when it is told so."""

    def __init__(self, index: int, events: XidEvents, known: Reading) -> None:
        self._index = index
        self._events = events
        self._fixed = known
        self._asked = False
        self._traffic = Lane(f"PCIe traffic of GPU {index}", self._measure_traffic)
        self._sent_received: tuple[int | None, int | None] = (None, None)
        self._gone: Gone | None = None
        self._handle: Handle | None = None
        try:
            self._handle = Handle(pynvml.nvmlDeviceGetHandleByIndex(index))
            events.watch(self._handle.raw, index)
        except pynvml.NVMLError as error:
            self._gone = Gone.because(error)

    def close(self) -> None:
        self._traffic.close()

    def memory(self) -> Reading:
        return self._guarded(self._memory)

    def read(self) -> Reading:
        return self._guarded(self._everything)

    def _guarded(self, read: Callable[[Handle], Reading]) -> Reading:
        """A GPU that is gone stays so until it is looked for anew: asking it again may crash us."""
        reading: Reading = {"kind": "nvidia", "index": self._index}
        if self._gone is None and self._handle is not None:
            try:
                self._handle.answered = False
                found = read(self._handle)
                self._handle.require_an_answer()
                return {**reading, **found}
            except Gone as gone:
                self._gone = gone
        assert self._gone is not None
        reading["fault"], reading["hint"] = self._gone.what, self._gone.hint
        reading["xid"], reading["xid_time"] = self._events.last(self._index)
        return {**reading, **self._fixed}

    def _memory(self, handle: Handle) -> Reading:
        found = handle.ask("nvmlDeviceGetMemoryInfo")
        reading = dict(self._unchanging(handle))
        if found is not None:
            reading["memory_total"] = int(found.total)
            reading["memory_used"] = int(found.used)
            reading["memory_free"] = int(found.free)
        return reading

    def _unchanging(self, handle: Handle) -> Reading:
        """What is asked once, as far as it was answered."""
        fixed = self._fixed
        if not self._asked:
            for field, function in (("name", "nvmlDeviceGetName"), ("uuid", "nvmlDeviceGetUUID")):
                value = handle.ask(function)
                if value is not None:
                    fixed[field] = _text(value)
            pci = handle.ask("nvmlDeviceGetPciInfo")
            if pci is not None:
                fixed["pci"] = _text(pci.busId)
            fixed["pcie_generation_max"] = handle.ask("nvmlDeviceGetMaxPcieLinkGeneration")
            fixed["pcie_width_max"] = handle.ask("nvmlDeviceGetMaxPcieLinkWidth")
            self._asked = handle.answered
        else:
            handle.answered = True
        return fixed

    def _everything(self, handle: Handle) -> Reading:
        ask = handle.ask
        memory = self._memory(handle)
        handle.answered = "memory_total" in memory
        load = ask("nvmlDeviceGetUtilizationRates")
        reading: Reading = {
            **memory,
            "utilisation": load.gpu if load else None,
            "memory_load": load.memory if load else None,
            "temperature": ask("nvmlDeviceGetTemperature", pynvml.NVML_TEMPERATURE_GPU),
            "memory_temperature": _memory_temperature(handle),
            "fan": ask("nvmlDeviceGetFanSpeed"),
            "power": _watts(ask("nvmlDeviceGetPowerUsage")),
            "power_limit": _watts(ask("nvmlDeviceGetEnforcedPowerLimit")),
            "clock": ask("nvmlDeviceGetClockInfo", pynvml.NVML_CLOCK_SM),
            "memory_clock": ask("nvmlDeviceGetClockInfo", pynvml.NVML_CLOCK_MEM),
            "throttle": _throttle(handle),
            "pcie_generation": ask("nvmlDeviceGetCurrPcieLinkGeneration"),
            "pcie_width": ask("nvmlDeviceGetCurrPcieLinkWidth"),
            "ecc_corrected": _ecc(handle, pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
            "ecc_uncorrected": _ecc(handle, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
            "mig": _mig(handle),
            "processes": _processes(handle),
        }
        self._traffic.ask()  # takes 40 ms, so what is told is the measurement before
        reading["pcie_sent"], reading["pcie_received"] = self._sent_received
        self._events.read()
        reading["xid"], reading["xid_time"] = self._events.last(self._index)
        return reading

    def _measure_traffic(self) -> None:
        assert self._handle is not None
        with contextlib.suppress(Gone):
            sent, received = (
                self._handle.ask("nvmlDeviceGetPcieThroughput", counter)
                for counter in (pynvml.NVML_PCIE_UTIL_TX_BYTES, pynvml.NVML_PCIE_UTIL_RX_BYTES)
            )
            self._sent_received = (
                sent * KB if sent is not None else None,
                received * KB if received is not None else None,
            )


def _memory_temperature(handle: Handle) -> int | None:
    found = handle.ask("nvmlDeviceGetFieldValues", (pynvml.NVML_FI_DEV_MEMORY_TEMP,))
    if not found or found[0].nvmlReturn != pynvml.NVML_SUCCESS:
        return None
    return int(found[0].value.uiVal) or None  # cards without the sensor answer 0


def _watts(milliwatts: int | None) -> float | None:
    return milliwatts / 1000 if milliwatts is not None else None


def _throttle(handle: Handle) -> list[str] | None:
    bits = handle.ask("nvmlDeviceGetCurrentClocksEventReasons")
    if bits is None:  # as drivers before 535 call it
        bits = handle.ask("nvmlDeviceGetCurrentClocksThrottleReasons")
    if bits is None:
        return None
    return [words for bit, words in THROTTLES.items() if bits & bit]


def _ecc(handle: Handle, kind: int) -> int | None:
    """Errors since the driver was loaded."""
    found: int | None = handle.ask("nvmlDeviceGetTotalEccErrors", kind, pynvml.NVML_VOLATILE_ECC)
    return found


def _mig(handle: Handle) -> list[Reading] | None:
    """The parts that a GPU was divided into; None where it cannot be, or is not."""
    mode = handle.ask("nvmlDeviceGetMigMode")
    if mode is None or mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
        return None
    parts = []
    for number in range(handle.ask("nvmlDeviceGetMaxMigDeviceCount") or 0):
        try:
            part = Handle(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle.raw, number))
        except pynvml.NVMLError:
            continue  # places that nothing was put in
        memory = part.ask("nvmlDeviceGetMemoryInfo")
        parts.append(
            {
                "uuid": _text(part.ask("nvmlDeviceGetUUID") or ""),
                "name": _text(part.ask("nvmlDeviceGetName") or ""),
                "memory_total": int(memory.total) if memory else None,
                "memory_used": int(memory.used) if memory else None,
            }
        )
    return parts


def _processes(handle: Handle) -> list[Reading] | None:
    """Who uses the GPU. Drivers tell the numbers that processes have on the host."""
    found: dict[int, int | None] = {}
    known = False
    for what in ("Compute", "Graphics"):
        listed = None
        for version in ("_v3", "_v2"):  # newer and older drivers
            listed = handle.ask(f"nvmlDeviceGet{what}RunningProcesses{version}")
            if listed is not None:
                break
        known = known or listed is not None
        for each in listed or ():
            found[each.pid] = max(found.get(each.pid) or 0, each.usedGpuMemory or 0) or None
    if not known:
        return None
    return [
        {"pid": pid, "name": _process_name(pid), "memory": memory} for pid, memory in found.items()
    ]


def _process_name(pid: int) -> str:
    try:
        return untrusted_line(Path(f"/proc/{pid}/comm").read_text(errors="replace").strip())
    except OSError:
        return ""


def _text(value: str | bytes) -> str:
    return untrusted_line(value.decode(errors="replace") if isinstance(value, bytes) else value)

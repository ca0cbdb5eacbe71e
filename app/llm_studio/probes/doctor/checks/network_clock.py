"""Is the clock right?"""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio.probes.doctor.distribution import distribution, set_clock
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.hub import address
from llm_studio.probes.doctor.system import System


def look(system: System) -> Iterator[Finding]:
    mend = set_clock(distribution(system))
    offline = system.environment.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    ahead = None if offline else system.ask(address(system)).clock
    if ahead is not None and abs(ahead) > 60:
        where = "ahead" if ahead > 0 else "behind"
        tell = fault if abs(ahead) > 300 else warning
        yield tell(
            f"the clock is {_span(abs(ahead))} {where}",
            "Secure connections are refused, and histories tell wrong times.",
            mend,
        )
        return
    synchronised = _synchronised(system)
    if ahead is not None:
        by = ", kept by a time server" if synchronised else ""
        yield ok(f"right within {max(abs(ahead), 1):.0f} s{by}")
    elif synchronised is False:
        yield warning(
            "the clock is kept by no time server",
            "It drifts; secure connections are refused when it is far off.",
            mend,
        )
    else:
        yield ok("kept by a time server" if synchronised else "not compared: no server answers")


def _synchronised(system: System) -> bool | None:
    told = system.run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    return {"yes": True, "no": False}.get(told.out.strip()) if told.code == 0 else None


def _span(seconds: float) -> str:
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"


CHECK = Check("network.clock", "Clock", Group.NETWORK, 40, look)

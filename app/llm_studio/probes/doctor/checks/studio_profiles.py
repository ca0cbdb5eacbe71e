"""Are all profiles valid?"""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok
from llm_studio.probes.doctor.system import System
from llm_studio.profiles.catalogue import Catalogue


def look(system: System) -> Iterator[Finding]:
    entries = list(Catalogue.load(system.settings.paths.profiles))
    broken = [entry for entry in entries if entry.profile is None]
    for entry in broken[:5]:
        problem = entry.problems[0] if entry.problems else None
        told = str(problem) if problem else entry.id
        yield fault(
            told,
            f"The profile {entry.id} cannot be served until its file is mended.",
            (f"llm-studio edit {entry.id}",),
            part="broken",
        )
    if len(broken) > 5:
        yield fault(
            f"{len(broken) - 5} more profiles are broken",
            "They cannot be served.",
            ("llm-studio check",),
            part="broken",
        )
    if not broken:
        own = sum(not entry.shipped for entry in entries)
        yield ok(f"{own} of yours and {len(entries) - own} shipped ones, all valid")


CHECK = Check("studio.profiles", "Profiles", Group.STUDIO, 20, look)

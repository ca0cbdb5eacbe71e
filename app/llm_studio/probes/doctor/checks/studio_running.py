"""Does the studio run, is it of this version, and does it serve what it should?"""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio import __version__
from llm_studio.errors import StudioError
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.system import System


def look(system: System) -> Iterator[Finding]:
    try:
        status = system.studio()
    except StudioError as error:
        if getattr(error, "died", False):
            yield warning(
                "a studio ran and died without a farewell",
                "Its model may serve on; the next studio takes it over.",
                ("llm-studio status",),
            )
        else:
            yield fault(
                f"{error.what}. {error.why}".strip(),
                "Nothing can be loaded, switched or stopped through it.",
                ("llm-studio shutdown",),
                error.hint,
            )
        return
    if status is None:
        yield ok("none runs; `llm-studio up ID` starts one")
        return
    running = str((status.get("studio") or {}).get("version"))
    failure = status.get("failure") or {}
    profile = str(status.get("profile") or "nothing")
    if running != __version__:
        yield warning(
            f"the studio that runs is of version {running}, this program of {__version__}",
            "They may mean different things by the same words.",
            ("llm-studio shutdown",),
            "The model goes on serving, and the next command starts the new studio.",
        )
    if status.get("state") == "failed":
        yield fault(
            f"{profile} failed: {failure.get('what')}",
            str(failure.get("why") or ""),
            ("llm-studio logs", f"llm-studio up {profile}"),
            str(failure.get("hint") or ""),
            part="model",
        )
    elif running == __version__:
        yield ok(f"version {running}; {profile}: {status.get('state')}")


CHECK = Check("studio.running", "Studio", Group.STUDIO, 40, look)

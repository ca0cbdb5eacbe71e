"""Can the user's settings be read, and are secrets for nobody else's eyes?"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator

from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok
from llm_studio.probes.doctor.system import System


def look(system: System) -> Iterator[Finding]:
    paths = system.settings.paths
    trouble = system.settings_trouble
    if trouble is not None:
        config = shlex.quote(str(paths.config_file))
        from_environment = "environment" in trouble.what
        variable = trouble.what.partition(" ")[0].rstrip(":")
        yield fault(
            f"{trouble.what}. {trouble.why}".strip(),
            "No command but this one works until it is mended; here the defaults were looked at.",
            (f"unset {variable}",) if from_environment else (f"${{EDITOR:-nano}} {config}",),
            trouble.hint,
        )
    else:
        changed = [value for value in system.settings.values.values() if value.origin != "default"]
        yield ok(f"{len(changed)} of {len(system.settings.values)} set by you")
    for name in ("token", "gateway-key"):
        path = paths.state / name
        try:
            mode = system.mode(path)
        except OSError:
            continue
        if stat.S_IMODE(mode) & 0o077:
            yield fault(
                f"{path} can be read by other users (mode {stat.S_IMODE(mode):o})",
                "Whoever has it can start and stop models, or use them.",
                (f"chmod 600 {shlex.quote(str(path))}",),
                part="token",
            )


CHECK = Check("studio.settings", "Settings", Group.STUDIO, 10, look)

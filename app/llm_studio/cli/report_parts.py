"""What a report is made of: one small file each, made safe before it is written."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from llm_studio import __version__
from llm_studio.cli.redaction import Redaction, is_secret
from llm_studio.probes.doctor.finding import Result
from llm_studio.probes.doctor.system import System
from llm_studio.text import untrusted, untrusted_line

LINES = 2000
LONGEST = 400
TAIL = 1 << 20
JOBS = 50


class Subject:
    """The machine that is reported on, and what has to be kept out of the report."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.state = system.settings.paths.state
        self.redaction = Redaction(
            system.home, system.user, platform.node(), _known_secrets(system, self.state)
        )

    @cached_property
    def results(self) -> tuple[tuple[Result, ...], float]:
        """What the doctor finds, made safe before it is broken into lines."""
        from llm_studio.probes.doctor.examination import examine

        begun = time.monotonic()
        results = examine(self.system)
        return tuple(map(self._safe, results)), time.monotonic() - begun

    def _safe(self, result: Result) -> Result:
        finding, clean = result.finding, self.redaction.text
        told = replace(
            finding,
            found=clean(finding.found),
            why=clean(finding.why),
            fix=tuple(map(clean, finding.fix)),
            advice=clean(finding.advice),
        )
        return replace(result, finding=told)

    @cached_property
    def status(self) -> Mapping[str, Any] | None:
        return self.system.studio()


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the report."""

    name: str
    what: str
    make: Callable[[Subject], Any]

    def written(self, subject: Subject) -> str:
        """Its text; where it cannot be made, why, for one that fails hides no other."""
        try:
            made = self.make(subject)
        except Exception as error:
            made = f"Could not be told: {type(error).__name__}: {error}\n"
        if isinstance(made, str):
            text = subject.redaction.text(made)
        else:
            text = json.dumps(subject.redaction.value(made), indent=2, ensure_ascii=False) + "\n"
        text = untrusted(text, limit=4 << 20)
        # The last look. Nothing should be found; if it is, nothing is better than a secret.
        return "Left out: a secret was found in it.\n" if subject.redaction.holds(text) else text


def _known_secrets(system: System, state: Path) -> Iterator[str]:
    """Those of the environment, of the studio and its engines, and of the hub."""
    for name, value in system.environment.items():
        if is_secret(name):
            yield value
    cache = system.environment.get("XDG_CACHE_HOME") or str(system.home / ".cache")
    hub = system.environment.get("HF_HOME") or f"{cache}/huggingface"
    named = system.environment.get("HF_TOKEN_PATH")
    files = [state / "token", state / "gateway-key", Path(hub, "token"), *state.glob("**/*.key")]
    for path in (*files, *((Path(named),) if named else ())):
        try:
            yield from path.read_text(encoding="utf-8", errors="replace")[:65536].split()
        except OSError:
            continue


def _doctor_text(subject: Subject) -> str:
    from llm_studio.cli.doctor import told

    results, seconds = subject.results
    return "\n".join(told(results, seconds)) + "\n"


def _doctor_json(subject: Subject) -> Any:
    from llm_studio.cli.doctor import as_json

    return as_json(*subject.results)


def _versions(subject: Subject) -> Any:
    from llm_studio.probes.doctor.distribution import distribution

    needs = metadata.requires("llm-studio") or []
    names = sorted({match[0] for each in needs if (match := re.match(r"[\w.-]+", each))})
    packages = {}
    for name in names:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "llm-studio": __version__,
        "python": platform.python_version(),
        "system": distribution(subject.system).name,
        "kernel": f"{platform.system()} {platform.release()}",
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "packages": packages,
    }


def _settings(subject: Subject) -> Any:
    settings = subject.system.settings
    values = {
        key: {"value": _plain(value.value), "origin": value.origin}
        for key, value in settings.values.items()
    }
    trouble = subject.system.settings_trouble
    return {
        "cannot be read": trouble.sentence if trouble else None,
        "settings": values,
        "state": str(settings.paths.state),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float) else str(value)


def _profiles(subject: Subject) -> Any:
    from llm_studio.profiles.catalogue import Catalogue

    return [
        {"id": entry.id, "shipped": entry.shipped, "valid": entry.profile is not None}
        for entry in Catalogue.load(subject.system.settings.paths.profiles)
    ]


def _studio(subject: Subject) -> Any:
    """The studio's own account, its engines' command lines without keys; without a studio, the
    records that engines have left."""
    status = subject.status
    if status is not None:
        return _safe_status(subject, status)
    left = []
    for path in sorted(subject.state.glob("**/process-*.json"))[:20]:
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            command = [str(word) for word in kept["command"]]
            left.append(
                {
                    "profile": str(kept.get("profile")),
                    "command": subject.redaction.command(command),
                    "started": kept.get("started"),
                }
            )
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return {"running": False, "engines that were started": left}


def _safe_status(subject: Subject, value: Any) -> Any:
    if isinstance(value, Mapping):
        told = {key: _safe_status(subject, each) for key, each in value.items()}
        if isinstance(value.get("command"), list):
            words = [str(word) for word in value["command"]]
            told["command"] = subject.redaction.command(words)
        if isinstance(value.get("last_lines"), list):
            told["last_lines"] = [_engine_line(str(line)) for line in value["last_lines"]]
        return told
    return [_safe_status(subject, each) for each in value] if isinstance(value, list) else value


def _jobs(subject: Subject) -> Any:
    """What they were and how they ended; not what they made, which may hold prompts."""
    try:
        lines = (subject.state / "jobs.jsonl").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    jobs: dict[str, Any] = {}
    for line in lines.splitlines()[-20 * JOBS :]:
        try:
            job = json.loads(line)
            kept = ("kind", "title", "state", "started", "ended", "error", "hint")
            jobs[str(job["id"])] = {key: job.get(key) for key in kept}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
    return list(jobs.values())[-JOBS:]


_LINE = re.compile(r"(\S{20,30} )(engine|studio|gateway)( \w+ )(.*)")


def _log(subject: Subject) -> str:
    path = subject.state / "logs" / "studio.log"
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - TAIL, 0))
            raw = file.read(TAIL)
    except OSError:
        return "There is no log yet.\n"
    told = []
    for line in raw.decode("utf-8", "replace").split("\n")[-LINES:]:
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match is None:
            continue
        text = _engine_line(match[4]) if match[2] == "engine" else _own_line(match[4])
        told.append(f"{match[1]}{match[2]}{match[3]}{text}")
    return "\n".join(told) + "\n"


_OF_THE_ENGINE = re.compile(
    r"\s*(?:\[ggml|[a-z]\w*(?:_\w+)+\s?:|\w+::\w+:|(?:srv|slot|cmn|que|res|main|load|read|build|init"
    r"|error|warn(?:ing)?|system_info|print_info|embedded engine|llama-server|operator\(\)|ggml\w*"
    r"|clip\w*|mtmd\w*|usage)\b)"
)
"""How its own lines begin; whatever else stands in its log may be part of a prompt."""
_CONTENT = re.compile(
    r"prompt token|next token|\brequest: |\bresponse: |streamed chunk|data: |pars(?:ed|ing)\b"
    r"|generated text|input: |\bcontent\b|example_format|chat_template|grammar"
    r"|\"(?:messages|prompt|content|text|input|role|arguments)\\?\"",
    re.IGNORECASE,
)
LEFT_OUT = "(left out: it may hold what was asked or answered)"


def _engine_line(line: str) -> str:
    from llm_studio.engines.logs import unwrap

    told = unwrap(line)
    own = told.level != "debug" and _OF_THE_ENGINE.match(told.body)
    return _own_line(line) if own else LEFT_OUT


def _own_line(line: str) -> str:
    return LEFT_OUT if _CONTENT.search(line) else untrusted_line(line, limit=LONGEST)


PARTS = (
    Part("doctor.txt", "what `llm-studio doctor` finds", _doctor_text),
    Part("doctor.json", "the same for programs", _doctor_json),
    Part("versions.json", "of llm-studio, its packages, Python and the system", _versions),
    Part("settings.json", "the settings, and where each comes from", _settings),
    Part("profiles.json", "the ids of the profiles", _profiles),
    Part("studio.json", "what is served; engines' command lines without keys", _studio),
    Part("jobs.json", f"the last {JOBS} jobs and how they ended", _jobs),
    Part("log.txt", f"the last {LINES} lines of the log, without prompts", _log),
)

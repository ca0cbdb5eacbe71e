"""Show one profile: each value with its origin, the memory it takes, the command it becomes.

`--keys` lists every key that a profile may have, with what it means.
"""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from pydantic.fields import FieldInfo

from llm_studio.cli.output import (
    Cell,
    Column,
    print_json,
    say,
    say_wrapped,
    size,
    styled,
    table,
    tokens,
)
from llm_studio.cli.workspace import gpu_option, workspace
from llm_studio.engines.arguments import (
    Argument,
    arguments_here,
    origin_of,
    overruled_by_args,
    server_environment,
)
from llm_studio.errors import NotReady, UsageError
from llm_studio.models.fit import Fit
from llm_studio.models.memory import MiB, Usage
from llm_studio.profiles.field import flag_of
from llm_studio.profiles.plan import Plan
from llm_studio.profiles.profile import SECTIONS
from llm_studio.profiles.summary import summarise
from llm_studio.text import has_controls, untrusted_line


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="the profile's id")
    parser.add_argument("--keys", action="store_true", help="every key of a profile, documented")
    parser.add_argument("--command", action="store_true", help="only the llama-server command")
    parser.add_argument("--json", action="store_true", help="print JSON")
    gpu_option(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.keys:
        return _show_keys(arguments.json)
    if not arguments.id:
        raise UsageError("Which profile?", hint="`llm-studio list` shows them: llm-studio show ID")
    with workspace(arguments.gpus) as here:
        plan = here.plan(arguments.id)
        plan.entry.require()
        if arguments.command and not _has_command(plan):
            raise NotReady("The profile names no model file of its own, so there is no command")
        words = arguments_here(plan, here.settings.paths.state) if _has_command(plan) else []
        if arguments.command:
            say(" ".join(line.strip() for line in _command_lines(plan, words)))
        elif arguments.json:
            print_json(_as_json(plan, words))
        else:
            _show(plan, words)
    return 0


def _has_command(plan: Plan) -> bool:
    profile = plan.entry.require()
    return profile.model.file is not None and profile.engine.kind != "external"


def _command_lines(plan: Plan, arguments: list[Argument]) -> list[str]:
    """The command as a shell takes it, one argument a line."""
    environment = server_environment(plan).items()
    lines = [" ".join([*(f"{key}={_quoted(value)}" for key, value in environment), "llama-server"])]
    return lines + ["    " + " ".join(map(_quoted, argument.words)) for argument in arguments]


def _quoted(word: str) -> str:
    """A word as the shell reads it back; one with control characters is spelled out."""
    if not has_controls(word):
        return shlex.quote(word)
    return "$'" + "".join(map(_spelled, word)) + "'"


def _spelled(letter: str) -> str:
    if has_controls(letter):
        return f"\\u{ord(letter):04x}"
    return f"\\{letter}" if letter in "\\'" else letter


def _show(plan: Plan, arguments: list[Argument]) -> None:
    profile = plan.entry.require()
    say(styled(untrusted_line(profile.name), "bold"))
    if profile.summary:
        say(untrusted_line(profile.summary))
    kind = "shipped" if plan.entry.shipped else "yours, overrides a shipped one"
    kind = kind if plan.entry.shipped or plan.entry.overrides else "yours"
    say(styled(untrusted_line(f"{plan.entry.path} ({kind})", limit=500), "dim"))
    say()
    _show_values(plan)
    say()
    _show_state(plan)
    if plan.fit:
        _show_fit(plan.fit)
    if plan.trouble:
        say(styled(untrusted_line(plan.trouble.sentence, limit=500), "red"))
    for overruled in overruled_by_args(plan.entry):
        say_wrapped(f"· `args` sets {overruled} itself, which the plan does not know of.", "  ")
    if arguments:
        say()
        say(styled("Command", "bold"))
        say(" \\\n".join(_command_lines(plan, arguments)))


def _show_values(plan: Plan) -> None:
    rows: list[list[Cell | str]] = []
    for name in SECTIONS:
        section = getattr(plan.entry.require(), name)
        for key, value in section.model_dump(exclude_none=True).items():
            rows.append(
                [f"{name}.{key}", _told(value), Cell(origin_of(plan.entry, name, key), "dim")]
            )
    for key, value in (plan.fit.chosen if plan.fit else {}).items():
        rows.append([f"server.{key}", _told(value), Cell("fit", "cyan")])
    table((Column("KEY"), Column("VALUE", flexible=True), Column("ORIGIN")), rows)


def _show_state(plan: Plan) -> None:
    model = plan.model
    if model is not None:
        say(untrusted_line(f"Model file: {model.path} ({size(model.size)})", limit=500))
        if model.problem:
            say(styled(untrusted_line(model.problem, limit=500), "red"))
        return
    section = plan.entry.require().model
    if section.file is None:
        say("It names no model file: it lends its values to profiles that extend it.")
        return
    say(styled(untrusted_line(f"Model file: {section.file} is not here.", limit=500), "yellow"))
    if section.repo:
        say(f"It comes from {section.repo}.")


def _show_fit(fit: Fit) -> None:
    style = "green" if fit.verdict in ("one-gpu", "split") else "yellow" if fit.fits else "red"
    say(f"Fit: {styled(fit.badge, style)}, with a context of {tokens(fit.estimate.context)}")
    columns = [Column("MiB")] + [
        Column(title, right=True)
        for title in ("WEIGHTS", "CONTEXT", "COMPUTE", "OTHER", "TOTAL", "ROOM", "FREE")
    ]
    rows: list[list[Cell | str]] = []
    for device, usage, room in zip(fit.devices, fit.estimate.devices, fit.room, strict=True):
        over = "red" if usage.total > room else ""
        rows.append(
            [device.name, *_usage(usage, over), f"{room / MiB:,.0f}", f"{device.free / MiB:,.0f}"]
        )
    host = fit.host
    rows.append(
        [
            "host",
            *_usage(fit.estimate.host, ""),
            f"{fit.host_room / MiB:,.0f}",
            f"{host.available / MiB:,.0f}",
        ]
    )
    table(columns, rows)
    if fit.largest_context:
        say(f"Largest context that fits so: {fit.largest_context:,}")
    for advice in fit.advice:
        say_wrapped(f"· {advice}", "  ")
    say(
        styled(
            "Estimated before loading. ROOM is FREE less the margin and the GPU's own needs.", "dim"
        )
    )


def _usage(usage: Usage, style: str) -> list[Cell | str]:
    parts = (usage.weights, usage.context, usage.compute, usage.extras)
    return [*(f"{part / MiB:,.0f}" for part in parts), Cell(f"{usage.total / MiB:,.0f}", style)]


def _words(arguments: list[Argument]) -> list[str] | None:
    words = [word for argument in arguments for word in argument.words]
    return ["llama-server", *words] if words else None


def _told(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_json(plan: Plan, arguments: list[Argument]) -> dict[str, Any]:
    profile, fit = plan.entry.require(), plan.fit
    values = {
        f"{name}.{key}": {"value": value, "origin": origin_of(plan.entry, name, key)}
        for name in SECTIONS
        for key, value in getattr(profile, name).model_dump(exclude_none=True).items()
    }
    for key, chosen in (fit.chosen if fit else {}).items():
        values[f"server.{key}"] = {"value": chosen, "origin": "fit"}
    return {
        **summarise(plan).model_dump(),
        "values": values,
        "memory": _fit_as_json(fit) if fit else None,
        "command": _words(arguments),
        "environment": server_environment(plan),
    }


def _fit_as_json(fit: Fit) -> dict[str, Any]:
    def usage(usage: Usage) -> dict[str, int]:
        return {
            "weights": usage.weights,
            "context": usage.context,
            "compute": usage.compute,
            "other": usage.extras,
            "total": usage.total,
        }

    return {
        "devices": [
            {
                "name": device.name,
                "uuid": device.uuid,
                **usage(used),
                "room": room,
                "free": device.free,
            }
            for device, used, room in zip(fit.devices, fit.estimate.devices, fit.room, strict=True)
        ],
        "host": {
            **usage(fit.estimate.host),
            "total_memory": fit.host.total,
            "available": fit.host.available,
        },
        "largest_context": fit.largest_context,
        "advice": list(fit.advice),
    }


def _show_keys(as_json: bool) -> int:
    keys = [
        (name, key, _argument_of(field), field.description or "")
        for name, section in SECTIONS.items()
        for key, field in section.model_fields.items()
    ]
    if as_json:
        names = ("section", "key", "argument", "doc")
        print_json([dict(zip(names, key, strict=True)) for key in keys])
        return 0
    import textwrap

    section_now = ""
    for section, key, argument, doc in keys:
        if section != section_now:
            say(styled(f"[{section}]", "bold"))
            section_now = section
        say(f"  {styled(key, 'cyan')}  {styled(argument, 'dim')}".rstrip())
        for line in textwrap.wrap(doc, 74):
            say(f"      {line}")
    return 0


def _argument_of(field: FieldInfo) -> str:
    flag = flag_of(field)
    return flag.name if flag and flag.name.startswith("-") else ""

"""Finds out whether what is served suits an agent, by asking the engine itself."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from llm_studio.agents.agent import MODEL, Agent, Seat
from llm_studio.errors import NotReady, StudioError
from llm_studio.text import untrusted_line

SECONDS = 60.0
OFFERED = 12
"""Other profiles that an agent's own list of models shows, at most."""
_LATE_SYSTEM = [
    {"role": "system", "content": "a"},
    {"role": "user", "content": "b"},
    {"role": "system", "content": "c"},
]


class Unsuitable(NotReady):
    """What is served does not suit the agent; another profile may."""


@dataclass(frozen=True, slots=True)
class Seating:
    """The place at the model, and what is not as it should be."""

    seat: Seat
    warnings: tuple[str, ...] = ()


def take_seat(
    agent: Agent,
    status: Mapping[str, Any],
    profiles: Sequence[Mapping[str, Any]],
    *,
    gateway: str,
    key: str,
) -> Seating:
    """A seat at the profile that is served; raises where the agent could not work there."""
    served = _served(status)
    profile = str(served["profile"])
    props = _props(gateway, key, profile)
    context = _context(props) or _told(profiles, profile)
    if not context:
        raise NotReady(
            f"The context of {profile} is not known",
            why="Its server does not tell.",
            hint="Write `context` into the profile.",
        )
    if context < agent.least_context:
        raise Unsuitable(
            f"The context of {profile} is too small for {agent.title}",
            why=f"It has {context:,} tokens a slot; {agent.title} needs {agent.least_context:,}, "
            "as its first request alone takes a good part of them.",
            hint=f"Give it more:  llm-studio edit {profile} server.context=65536  (of which each "
            "of `server.parallel` slots has its part), or load another with --profile ID.",
        )
    beside = [each for each in status["beside"] if each["state"] == "ready"]
    small = next((str(each["profile"]) for each in beside if each["profile"] != profile), MODEL)
    others = [
        (str(each["id"]), str(each["name"]))
        for each in profiles
        if each["state"] in ("available", "ready", "asleep")
        and each["fit"] != "too-big"
        # The agent is told of one context, which each that it may switch to must have.
        and (each["slot_context"] or 0) >= context
    ]
    slots = props.get("total_slots")
    seat = Seat(
        gateway=gateway,
        key=key,
        profile=profile,
        context=context,
        slots=slots if isinstance(slots, int) and slots > 0 else 1,
        small=small,
        others=tuple(others[:OFFERED]),
    )
    return Seating(seat, tuple(_warnings(agent, seat, props)))


def suitable(agent: Agent, profiles: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Profiles that could be loaded for the agent: first those that call tools, where it relies on
    that, then those that fit this machine best; the demo has nothing to say."""
    fit = [
        each
        for each in profiles
        if each["state"] == "available"
        and each["fit"] != "too-big"
        and (each["slot_context"] or 0) >= agent.least_context
    ]
    best = {"one-gpu": 0, "split": 1}
    return sorted(
        fit,
        key=lambda each: (
            "demo" in each["tags"],
            agent.tools and each["tools"] is False,
            best.get(each["fit"], 2),
            -(each["size"] or 0),
        ),
    )


def _served(status: Mapping[str, Any]) -> Mapping[str, Any]:
    engines: tuple[Mapping[str, Any], ...] = (status, *status["beside"])
    for each in engines:
        if each["state"] in ("ready", "asleep"):
            return each
    raise NotReady("No model is served", hint="Load one with --profile ID, or llm-studio up ID")


def _props(gateway: str, key: str, profile: str) -> dict[str, Any]:
    """What the engine says of itself; nothing where it is of another kind."""
    # A question that counts as use wakes an engine that sleeps; the look after it finds it there.
    ask(gateway, key, "POST", "/tokenize", {"model": profile, "content": ""})
    status, found = ask(gateway, key, "GET", f"/props?model={profile}")
    return found if status == 200 and isinstance(found, dict) else {}


def _context(props: Mapping[str, Any]) -> int:
    generation = props.get("default_generation_settings")
    size = generation.get("n_ctx") if isinstance(generation, dict) else None
    return size if isinstance(size, int) and size > 0 else 0


def _told(profiles: Sequence[Mapping[str, Any]], id_: str) -> int:
    found = next((each for each in profiles if each["id"] == id_), None)
    return int(found["slot_context"] or 0) if found else 0


def _warnings(agent: Agent, seat: Seat, props: Mapping[str, Any]) -> list[str]:
    warnings = []
    if agent.dialect == "anthropic" and seat.context < 49152:
        warnings.append(
            f"{seat.context:,} tokens of context are few: it will compact its conversation often."
        )
    able = props.get("chat_template_caps")
    if agent.tools and isinstance(able, dict) and able.get("supports_tools") is False:
        warnings.append(
            f"The template of {seat.profile} knows no tools. llama.cpp asks for them in a form of "
            "its own, which such models often miss; take one that was trained to call tools."
        )
    if agent.dialect and seat.slots == 1:
        warnings.append("There is one slot: sub-agents wait for each other.")
    return warnings


def refuses_late_system(seat: Seat) -> bool:
    """Whether the template takes a system message only at the beginning."""
    status, _ = ask(
        seat.gateway, seat.key, "POST", "/apply-template",
        {"model": seat.profile, "messages": _LATE_SYSTEM},
    )  # fmt: skip
    return status in (400, 500)


def ask(
    gateway: str, key: str, method: str, route: str, body: Any = None, *, seconds: float = SECONDS
) -> tuple[int, Any]:
    """One question to the gateway: the status, and the JSON that came."""
    address = urlsplit(gateway)
    connection = http.client.HTTPConnection(
        address.hostname or "127.0.0.1", address.port, timeout=seconds
    )
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with closing(connection):
        try:
            raw = None if body is None else json.dumps(body)
            connection.request(method, route, raw, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise StudioError(
                f"The gateway at {untrusted_line(gateway)} does not answer",
                why=str(error) or type(error).__name__,
                hint="`llm-studio status` tells how it is.",
            ) from error
    try:
        return answer.status, json.loads(content)
    except ValueError:
        return answer.status, None

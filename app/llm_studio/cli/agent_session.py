"""From a wish to a session: a model that suits the agent, its fence, the launch, the sum of it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_studio.agents import launch as launching
from llm_studio.agents.agent import Agent
from llm_studio.agents.fence import NONE as NO_FENCE
from llm_studio.agents.fence import Fence, fence_for, tried
from llm_studio.agents.ground import no_project
from llm_studio.agents.launch import Launch
from llm_studio.agents.registry import Installed, require_program, too_old
from llm_studio.agents.seating import Seating, Unsuitable, refuses_late_system, suitable, take_seat
from llm_studio.agents.sessions import Sessions, key_for, new_id
from llm_studio.agents.summary import advice, summary
from llm_studio.cli.output import narrate, narrate_wrapped, say, styled
from llm_studio.cli.studio import check_version, connect, ended_well, follow
from llm_studio.client import Client
from llm_studio.errors import NotReady, StudioError, UsageError
from llm_studio.settings import Settings, load_settings
from llm_studio.text import untrusted, untrusted_line


def options(parser: argparse.ArgumentParser) -> None:
    """What is said to llm-studio; all else goes to the agent as it is."""
    parser.add_argument("--profile", default="", metavar="ID", help="load this profile first")
    parser.add_argument("--print-env", action="store_true", help="print what would be set, for sh")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )
    parser.add_argument(
        "--no-sandbox", action="store_true", help="let it do whatever you can: no fence around it"
    )


def run(agent: Agent, arguments: argparse.Namespace, passed_on: Sequence[str]) -> int:
    found = require_program(agent)
    settings, client = load_settings(), connect(start=True)
    look_only = arguments.dry_run or arguments.print_env
    if not look_only or arguments.profile:
        provide(client, agent, arguments.profile)
    session = "byhand" if arguments.print_env else new_id()
    try:
        seating = seat_for(client, settings, agent, session)
    except Unsuitable as error:
        if look_only or arguments.profile or not _in_a_terminal():
            raise
        narrate_wrapped(error.sentence)
        _load(client, _picked(client, agent))
        seating = seat_for(client, settings, agent, session)
    project = Path.cwd().resolve()
    launch = launching.prepare(
        agent,
        found.path,
        seating.seat,
        state=settings.paths.state,
        session=session,
        project=project,
        arguments=tuple(passed_on),
        fence=_fence(found.path, project, settings, arguments),
        hidden=(settings.paths.state, settings.paths.config_file.parent),
    )
    if arguments.print_env:
        return _print_environment(launch)
    _tell(launch, seating, found)
    if arguments.dry_run:
        return _print_plan(launch)
    _accept(launch, arguments)
    with launching.undisturbed():
        return _session(client, settings, launch, session)


def _fence(
    program: Path, project: Path, settings: Settings, arguments: argparse.Namespace
) -> Fence:
    if arguments.no_sandbox or arguments.print_env:
        return NO_FENCE
    why = no_project(project)
    return Fence("none", why) if why else tried(fence_for(program, settings.agent_image))


def provide(client: Client, agent: Agent, profile: str) -> None:
    """See to it that something is served: what was asked for, what comes anyway, or a choice."""
    status = client.ask("GET", "/status")
    check_version(status)
    if not profile:
        if any(each["state"] in ("ready", "asleep") for each in (status, *status["beside"])):
            return
        under_way = [
            job for job in client.ask("GET", "/jobs")
            if job["kind"] == "switch" and job["state"] == "running"
        ]  # fmt: skip
        if under_way:
            ended_well(follow(client, under_way[-1]["id"]))
            return
        profile = _chosen(client, agent)
    _load(client, profile)


def _load(client: Client, profile: str) -> None:
    answer = client.ask("POST", "/switch", {"model": profile})
    if answer["job"]:
        ended_well(follow(client, answer["job"]["id"]))


def _chosen(client: Client, agent: Agent) -> str:
    if _in_a_terminal():
        narrate("No model is served.")
        return _picked(client, agent)
    ids = ", ".join(untrusted_line(str(each["id"])) for each in _suitable(client, agent))
    raise NotReady("No model is served", hint=f"Name one: --profile ID  ({ids} would do).")


def _suitable(client: Client, agent: Agent) -> list[Mapping[str, Any]]:
    fit = suitable(agent, client.ask("GET", "/models")["models"])[:9]
    if not fit:
        raise NotReady(
            f"No profile on this machine suits {agent.title}",
            why=f"It needs {agent.least_context:,} tokens of context for each request.",
            hint="`llm-studio list` shows what there is.",
        )
    return fit


def _picked(client: Client, agent: Agent) -> str:
    """The one of those that suit which somebody types the number of."""
    fit = _suitable(client, agent)
    narrate(f"These suit {agent.title}:")
    for number, each in enumerate(fit, 1):
        narrate(untrusted_line(f"  {number}  {each['id']}  {_offered(agent, each)}"))
    told = _asked(f"Which one? [1-{len(fit)}] ")
    if not told.isdecimal() or not 1 <= int(told) <= len(fit):
        raise NotReady("Nothing was chosen")
    return str(fit[int(told) - 1]["id"])


def _in_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _offered(agent: Agent, profile: Mapping[str, Any]) -> str:
    """What matters to an agent of a profile that it could have."""
    parts = [f"{profile['slot_context']:,} tokens a request"]
    if profile["slots"]:
        parts.append("1 slot" if profile["slots"] == 1 else f"{profile['slots']} slots")
    if agent.tools and profile["tools"] is not None:
        parts.append("calls tools" if profile["tools"] else "its template knows no tools")
    if profile["badge"]:
        parts.append(str(profile["badge"]))
    return ", ".join(parts)


def seat_for(client: Client, settings: Settings, agent: Agent, session: str) -> Seating:
    status = client.ask("GET", "/status")
    profiles = client.ask("GET", "/models")["models"]
    key = ""
    if settings.gateway_key:
        from llm_studio.server.token import gateway_key_of

        key = gateway_key_of(settings.paths.state)
    return take_seat(agent, status, profiles, gateway=status["gateway"], key=key_for(key, session))


def _tell(launch: Launch, seating: Seating, found: Installed) -> None:
    """What will hold, before the agent takes the screen."""
    seat, agent = seating.seat, launch.agent
    narrate(
        f"{' '.join(filter(None, (agent.title, found.version)))} on {seat.profile}: "
        f"{seat.context:,} tokens, answers of up to {seat.output:,}"
    )
    colour = "yellow" if launch.unprotected else ""
    narrate_wrapped(launch.protection, "Protection: ", colour)
    if launch.setup.own_sandbox and launch.fence.why:
        narrate_wrapped(launch.fence.why, "No better one: ")
    if too_old(agent, found.version):
        oldest = ".".join(map(str, agent.oldest))
        _warn(f"{found.version} is older than {oldest}. {agent.note} {agent.install}")
        if refuses_late_system(seating.seat):
            raise NotReady(
                f"The template of {seat.profile} refuses what {agent.title} {found.version} sends",
                why="It puts system messages amid the conversation.",
                hint=f"Update it:  {agent.install}",
            )
    for warning in seating.warnings:
        _warn(warning)


def _warn(text: str) -> None:
    narrate_wrapped(text, "warning: ", "yellow")


def _accept(launch: Launch, arguments: argparse.Namespace) -> None:
    """Without a fence only by somebody's word."""
    if not launch.unprotected or arguments.no_sandbox:
        return
    title, why = launch.agent.title, launch.fence.why
    hint = "Accept that with --no-sandbox."
    if not _in_a_terminal():
        raise NotReady(f"{title} cannot be fenced in", why=why, hint=hint)
    _warn(f"There is no fence for {title}. {why}")
    narrate_wrapped(
        "It could read, change and send away whatever you can: keys, logins, other projects."
    )
    if _asked(f"Type yes to launch {title} without any protection: ").lower() != "yes":
        raise NotReady(f"{title} was not launched", why=why, hint=hint)


def _asked(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _session(client: Client, settings: Settings, launch: Launch, id_: str) -> int:
    sessions = Sessions(settings.paths.state)
    session = sessions.begin(
        launch.agent.id,
        launch.place.project,
        id_=id_,
        profile=launch.seat.profile,
        context=launch.seat.context,
        protection=launch.protection.partition(":")[0],
    )
    launching.clear(settings.paths.state, [each.id for each in sessions.all() if not each.alive])
    code, sums = 1, None
    try:
        gateway = client.ask("GET", "/status")["gateway"]
        code = launching.run(launch, gateway)
    finally:
        sums = _sums(client, id_)
        sessions.end(session, code, sums)
        if launch.fence and (why := no_project(launch.place.project)):
            _warn(why)
    if sums is not None:
        narrate_wrapped(summary(sums))
        for line in advice(sums, launch.seat.context):
            narrate_wrapped(line, "→ ", "cyan")
    if launch.agent.resume and not code:
        narrate(styled(f"To take it up again:  {launch.agent.resume}", "dim", sys.stderr))
    return code


def _sums(client: Client, id_: str) -> dict[str, Any] | None:
    try:
        sums: dict[str, Any] = client.ask("GET", f"/agents/sessions/{id_}", timeout=5)
    except StudioError as error:
        _warn(f"What the session came to is not known. {error.sentence}")
        return None
    return sums


def _print_environment(launch: Launch) -> int:
    """Lines for `eval "$(…)"`, without a fence; the files that they name are written."""
    launching.write_files(launch.setup, folder=launch.place.folder)
    foreign = [name for name in os.environ if name.startswith(("ANTHROPIC_", "CLAUDE"))]
    for name in sorted(set(foreign) - set(launch.setup.environment)):
        say(f"unset {shlex.quote(name)}")
    for name, value in launch.setup.environment.items():
        say(f"export {name}={shlex.quote(value)}")
    return 0


def _print_plan(launch: Launch) -> int:
    say("command:")
    words = launch.words
    say(f"  {untrusted_line(shlex.join(words), limit=4000)}")
    if launch.fence:
        say("within:")
        fence = launch.command("WAY_OUT", ("FILTER", "STATUS"))
        said = shlex.join(fence[: len(fence) - len(words)])
        say(f"  {untrusted_line(said, limit=20_000)}")
    say("environment (nothing else is passed on):")
    for name, value in sorted(launch.environment(os.environ).items()):
        say(f"  {name}={untrusted_line(value, limit=1000)}")
    for path, text in {**launch.setup.once, **launch.setup.files}.items():
        say(f"{path}:")
        say("\n".join(f"  {line}" for line in untrusted(text).splitlines()))
    return 0


def rest_of(passed_on: Sequence[str]) -> list[str]:
    """The agent's own words: a first `--` only says that none of ours follows."""
    words = list(passed_on)
    return words[1:] if words[:1] == ["--"] else words


def no_words(passed_on: Sequence[str]) -> None:
    if passed_on:
        raise UsageError(f"What is {untrusted_line(passed_on[0])!r}?")

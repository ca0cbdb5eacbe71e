"""The routes of agents: which there are, and the sessions that were launched from here."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from fastapi import APIRouter

from llm_studio.agents.agent import Agent
from llm_studio.agents.fence import Fence, fences
from llm_studio.agents.registry import Installed, agents, all_installed, too_old
from llm_studio.agents.sessions import Session, Sessions
from llm_studio.agents.summary import advice, summary
from llm_studio.schema import AgentSession, AgentStatus
from llm_studio.studio.session_sums import SessionSums
from llm_studio.studio.studio import Studio


def agent_routes(studio: Studio) -> APIRouter:
    router = APIRouter()
    sessions = Sessions(studio.settings.paths.state)

    @router.get("/agents", summary="Coding agents: installed, of which version, tested")
    async def every() -> list[AgentStatus]:
        return await asyncio.to_thread(agent_statuses, studio.settings.agent_image)

    @router.get("/agents/sessions", summary="Agents that run, and the last that ran")
    async def running() -> list[AgentSession]:
        found = await asyncio.to_thread(
            lambda: [(session, session.alive) for session in sessions.all()]
        )
        answering = studio.reception.sessions
        return [
            _told(session, alive, studio.requests.sessions.get(session.id), answering)
            for session, alive in found
        ]

    @router.get("/agents/sessions/{id_}", summary="What the requests of a session came to")
    async def sums(id_: str) -> SessionSums:
        return studio.requests.sessions.get(id_) or SessionSums()

    return router


def agent_statuses(image: str) -> list[AgentStatus]:
    """Every agent; this asks the installed ones for their versions, and looks for fences."""
    here = all_installed(agents())
    around = fences({id_: each.path for id_, each in here.items()}, image)
    return [_status(agent, here.get(agent.id), around.get(agent.id)) for agent in agents()]


def _status(agent: Agent, here: Installed | None, fence: Fence | None) -> AgentStatus:
    around = fence if agent.launched else None
    own = around is not None and not around and agent.own_sandbox
    return AgentStatus(
        id=agent.id,
        title=agent.title,
        possible=agent.possible,
        launched=agent.launched,
        installed=here is not None,
        path=str(here.path) if here else "",
        version=here.version if here else "",
        tested=agent.tested,
        old=here is not None and too_old(agent, here.version),
        install=agent.install,
        note=agent.note,
        fence="own" if own else around.kind if around is not None else "",
        unfenced=around.why if around is not None and not around else "",
    )


def _told(
    session: Session, alive: bool, sums: SessionSums | None, answering: set[str]
) -> AgentSession:
    figures = asdict(sums or SessionSums())
    if session.sums and not alive:
        figures |= session.sums  # an earlier release may have kept fewer
    activity = "ended"
    if alive:
        activity = "answering" if session.id in answering else "idle"
    return AgentSession(
        id=session.id,
        agent=session.agent,
        directory=session.directory,
        profile=session.profile,
        context=session.context,
        protection=session.protection,
        started=session.started,
        ended=session.ended,
        alive=alive,
        activity=activity,
        requests=figures["requests"],
        prompt_tokens=figures["prompt_tokens"],
        cached_tokens=figures["cached_tokens"],
        generated_tokens=figures["generated_tokens"],
        last=figures["last"] or None,
        summary=summary(figures),
        advice=list(advice(figures, session.context)),
    )

"""What users wish of the studio, with the questions that keep a slip from stopping a busy model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_studio.config_file import write_setting
from llm_studio.errors import StudioError
from llm_studio.tui.dialogs import STAY, Answer, Choice, Question, Trouble
from llm_studio.tui.figures import counted
from llm_studio.tui.view import Job, Serving, Status

if TYPE_CHECKING:
    from llm_studio.tui.app import StudioApp

NOW = "now"
"""The answer of who does not wait for running requests."""


class Wishes:
    """Loads, stops and cancels on behalf of one terminal. All of it runs in workers."""

    def __init__(self, app: StudioApp) -> None:
        self._app = app
        self._mine: set[str] = set()
        self._to_chat: tuple[str, str] | None = None
        """A load after which the chat is shown, and the pane where it was wished for."""

    async def try_out(self, id_: str) -> None:
        """Serve a profile, and show the chat once it is ready."""
        job, pane = await self.load(id_), self._app.pane
        self._to_chat = (job, pane.id or "") if job and pane else None

    async def load(self, id_: str, *, beside: bool = False) -> str:
        """Serve a profile; if requests run on the present one, they are asked about first. The
        job's id, where there is one."""
        status = await self._status()
        drain = True
        ends = not beside and status.profile not in (None, id_)
        if ends and status.running and all(each.profile != id_ for each in status.beside):
            running = counted(status.running, "request")
            answer = await self._app.push_screen_wait(
                Question(
                    f"Switch to {id_}?",
                    f"{running} to {status.profile} not done yet. Up to half a minute is given to "
                    "finish; new requests wait for the new model.",
                    (
                        Choice("switch", "y", "Switch when they are done"),
                        Choice(NOW, "c", "Cut them off, and switch now"),
                        Choice(STAY, "n", f"Stay with {status.profile}"),
                    ),
                )
            )
            if not answer.id:
                return ""
            drain = answer.id != NOW
        body: dict[str, Any] = {"model": id_}
        body |= ({"beside": True} if beside else {}) | ({} if drain else {"drain": False})
        answered = await self._app.wire.ask("POST", "/switch", body)
        if not answered["job"]:
            self._app.tell(f"{id_} is served already")
            return ""
        job = str(answered["job"]["id"])
        self._mine.add(job)
        return job

    async def stop(self, id_: str = "") -> bool:
        """Stop one profile, or all; whether it was done."""
        served = _up(await self._status(), id_)
        if not served:
            self._app.tell("Nothing is served")
            return False
        running, drain = sum(each.running for each in served), True
        names = " and ".join(str(each.profile) for each in served)
        if running:
            answer = await self._app.push_screen_wait(
                Question(
                    f"Stop {names}?",
                    f"{counted(running, 'request')} not done yet. Up to half a minute is given to "
                    "finish.",
                    (
                        Choice("stop", "y", "Stop when they are done"),
                        Choice(NOW, "c", "Cut them off, and stop now"),
                        Choice(STAY, "n", "Go on serving"),
                    ),
                )
            )
            if not answer.id:
                return False
            drain = answer.id != NOW
        given = None if drain else "false"
        answered = await self._app.wire.ask("POST", "/stop", model=id_ or None, drain=given)
        self._mine |= {job["id"] for job in answered["jobs"]}
        return True

    async def _status(self) -> Status:
        """How it is at this moment: a request that begins or ends is no news of its own."""
        return Status.of(await self._app.wire.ask("GET", "/status"))

    async def download(self, what: str) -> None:
        """Fetch a profile's model, or OWNER/NAME:QUANTISATION."""
        told = await self._app.wire.ask("POST", "/downloads", {"what": what}, within=120)
        job = Job.of(told)
        self._mine.add(job.id)
        self._app.link.begun(job)

    async def bench(self, suite: str, body: dict[str, Any]) -> None:
        """Begin a benchmark."""
        job = Job.of(await self._app.wire.ask("POST", f"/bench/{suite}", body, within=120))
        self._mine.add(job.id)
        self._app.link.begun(job)

    async def cancel(self, job: Job | None = None) -> None:
        """Cancel a job; unless told, the load, switch or stop that is under way."""
        job = job or self._app.view.job("switch") or self._app.view.job("stop")
        if job is None:
            self._app.tell("Nothing is under way")
        else:
            await self._app.wire.ask("POST", f"/jobs/{job.id}/cancel")

    def ended(self, job: Job) -> None:
        """A job is over: told in full where it was begun here, else in a line."""
        mine = job.id in self._mine
        self._mine.discard(job.id)
        if job.state == "failed":
            what, _, why = job.error.partition(". ")
            if mine:
                lines = self._last_lines() if job.kind == "switch" else []
                self._app.push_screen(Trouble(StudioError(what, why=why, hint=job.hint), lines))
            else:
                self._app.tell(f"{job.title}: {what}", severity="error")
        elif job.state == "done" and job.kind == "switch":
            self._app.tell(f"{job.title.removeprefix('Serve ')} is ready")
            pane, dialogs = self._app.pane, len(self._app.screen_stack) > 1
            if pane and (job.id, pane.id) == self._to_chat and not dialogs:
                self._app.call_later(
                    self._app.action_show, "chat"
                )  # who went elsewhere meanwhile stays there
        elif job.state == "done" and job.kind == "download":
            self._app.tell(f"{job.title.removeprefix('Get ')} is here")
        elif job.state == "done" and job.kind == "bench":
            self._app.tell(f"{job.title}: {job.message}")
        elif job.state == "cancelled":
            self._app.tell(f"{job.title}: cancelled")

    def show_failure(self) -> None:
        """Why the last load failed, as the studio knows it."""
        status = self._app.view.status
        failure = (
            next((each.failure for each in status.all if each.failure), None) if status else None
        )
        if failure is None:
            self._app.tell("Nothing failed")
        else:
            error = StudioError(failure.what, why=failure.why, hint=failure.hint)
            self._app.push_screen(Trouble(error, failure.last_lines))

    def _last_lines(self) -> list[str]:
        status = self._app.view.status
        return status.failure.last_lines if status and status.failure else []

    async def quit(self) -> None:
        """Leave the terminal; what becomes of the model is asked the first time."""
        choice = await self._what_becomes()
        if choice.remember:
            config = self._app.settings.paths.config_file
            write_setting(config, "on_quit", choice.id)
        if choice.id == "stop" and not await self.stop():
            return
        if choice.id:
            self._app.leave(stopped=choice.id == "stop")

    async def _what_becomes(self) -> Answer:
        status, always = self._app.view.status, self._app.settings.on_quit
        served = [each for each in _up(status) if each.goes_on] if status else []
        if not served or not self._app.view.live:
            return Answer("leave")
        if always != "ask":
            return Answer(always)
        names = " and ".join(str(each.profile) for each in served)
        return await self._app.push_screen_wait(
            Question(
                "Leave llm-studio",
                f"{names} can go on serving without this terminal; `llm-studio` comes back to it.",
                (
                    Choice("leave", "l", "Detach", "it goes on serving"),
                    Choice("stop", "s", "Stop the model", "and leave"),
                    Choice(STAY, "n", "Stay here"),
                ),
                remember="Do so every time (llm-studio config on_quit ask undoes it)",
            )
        )


def _up(status: Status, id_: str = "") -> list[Serving]:
    """What could be stopped: one profile, or all."""
    return [each for each in status.all if each.up and id_ in ("", each.profile)]

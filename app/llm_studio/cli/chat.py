"""Ask the model that is served: one prompt, or a conversation.

What comes on stdin is added to the prompt (`git diff | llm-studio chat "Review this"`), and so are
files (-f, as often as needed; pictures too where the model sees). The answer goes to stdout, all
else to stderr. Ctrl-C ends the answer, Ctrl-D the conversation.

Controls in the answer are made visible, in pipes too, unless --raw asks for it as it came.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from llm_studio.cli.chat_stream import deltas
from llm_studio.cli.output import narrate, print_json, say, styled
from llm_studio.cli.studio import check_version, connect, ended_well, follow
from llm_studio.client import Client
from llm_studio.errors import NotFound, NotReady, StudioError, UsageError, did_you_mean
from llm_studio.text import untrusted, untrusted_line

LONGEST = 1 << 30
_PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", nargs="*", help="what to ask; without it, a conversation")
    parser.add_argument(
        "-p", "--profile", default="", help="have this profile answer; it is loaded if needed"
    )
    parser.add_argument("-m", "--model", default="", help="the same, but nothing is loaded for it")
    parser.add_argument("-s", "--system", default="", help="a system prompt")
    parser.add_argument(
        "-f", "--file", action="append", default=[], help="a file to send along (- is stdin)"
    )
    parser.add_argument("--schema", metavar="FILE", help="answer in JSON of this JSON schema")
    parser.add_argument("--temperature", type=float, help="randomness (0: none)")
    parser.add_argument("--seed", type=int, help="the same seed, the same answer")
    parser.add_argument("--max-tokens", type=int, help="the longest answer")
    parser.add_argument("--no-thoughts", action="store_true", help="do not show thoughts")
    parser.add_argument("--json", action="store_true", help="one object: answer, thoughts, figures")
    parser.add_argument(
        "--raw", action="store_true", help="to a pipe or file: the answer's characters as they came"
    )


def run(arguments: argparse.Namespace) -> int:
    client = connect(start=bool(arguments.profile))
    status = client.ask("GET", "/status")
    check_version(status)
    model = arguments.profile or arguments.model
    if model:
        _require(client, model)
    if arguments.profile:
        _load(client, status, arguments.profile)
    elif not status["profile"] and not model:
        _offer_last(client)
    conversation = Conversation(status["gateway"], _key(), model, arguments)
    prompt = _prompt(arguments)
    if prompt is None:
        return _converse(conversation)
    answer = conversation.ask(prompt)
    if arguments.json:
        print_json(answer.told())
    return 0


# What is asked


def _prompt(arguments: argparse.Namespace) -> str | list[dict[str, Any]] | None:
    """All that is asked; None where somebody sits there to be asked for it."""
    texts, pictures = [" ".join(arguments.prompt)], []
    for name in arguments.file:
        data = _read(name)
        if media := _media(data):
            pictures.append(_picture(data, media))
        else:
            texts.append(_fenced(name, data.decode("utf-8", "replace")))
    if not sys.stdin.isatty() and "-" not in arguments.file:
        texts.append(sys.stdin.buffer.read().decode("utf-8", "replace"))
    prompt = "\n\n".join(text for text in texts if text.strip())
    if sys.stdin.isatty() and not prompt and not pictures:
        return None
    if not prompt and not pictures:
        raise UsageError("There is nothing to ask", hint='llm-studio chat "Why is the sky blue?"')
    return [*pictures, {"type": "text", "text": prompt}] if pictures else prompt


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        with open(os.path.expanduser(name), "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"Cannot read {untrusted_line(name)}", why=error.strerror or "") from error


def _media(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _PICTURES.items() if data.startswith(start)), "")


def _picture(data: bytes, media: str) -> dict[str, Any]:
    import base64

    url = f"data:{media};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _fenced(name: str, text: str) -> str:
    """A file between fences that its own text does not hold."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{os.path.basename(name)}:\n{fence}\n{text}\n{fence}"


# Who answers


def _require(client: Client, model: str) -> None:
    """The gateway takes any name, as clients send all sorts; a person may have mistyped."""
    known = [each["id"] for each in client.ask("GET", "/models")["models"]]
    if model not in known:
        raise NotFound(
            f"There is no profile {untrusted_line(model)!r}",
            hint=did_you_mean(model, known) or "`llm-studio list` shows them all.",
        )


def _load(client: Client, status: dict[str, Any], profile: str) -> None:
    served = {each["profile"]: each["state"] for each in (status, *status["beside"])}
    if served.get(profile) == "ready":
        return
    answer = client.ask("POST", "/switch", {"model": profile})
    if answer["job"]:
        ended_well(follow(client, answer["job"]["id"]))


def _offer_last(client: Client) -> None:
    """Load what answered last, if the person who sits there wants that."""
    facts = client.ask("GET", "/conversations/facts")
    last = untrusted_line(facts["profile"])
    if last and sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write(f"No model is served. Load {last}? [Y/n] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() in ("", "y", "yes"):
            _load(client, client.ask("GET", "/status"), facts["profile"])
            return
    hint = f"llm-studio chat --profile {last}" if last else "llm-studio up ID"
    raise NotReady("No model is served", hint=f"Serve one:  {hint}")


def _key() -> str:
    """The gateway's key, where it asks for one."""
    from llm_studio.settings import load_settings

    settings = load_settings()
    if not settings.gateway_key:
        return ""
    try:
        return (settings.paths.state / "gateway-key").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


# Asking


def _converse(conversation: Conversation) -> int:
    import readline  # noqa: F401 - gives input() its line editing

    narrate(styled("Ctrl-C ends an answer, Ctrl-D the conversation.", "dim", sys.stderr))
    while True:
        try:
            prompt = input("> ").strip()
        except EOFError:
            say()
            return 0
        except KeyboardInterrupt:
            say()
            continue
        if prompt:
            try:
                conversation.ask(prompt)
            except KeyboardInterrupt:
                continue
            except StudioError as error:
                narrate(error.sentence)


@dataclass
class Told:
    """An answer, and what was told of it."""

    answer: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    finish: str | None = None
    model: str | None = None
    timings: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    first_token: float | None = None
    seconds: float = 0.0

    def take(self, event: dict[str, Any], at: float) -> tuple[str, str]:
        """The thought and the text that an event brought."""
        delta = event["delta"]
        thought, text = delta.get("reasoning_content"), delta.get("content")
        thought, text = (each if isinstance(each, str) else "" for each in (thought, text))
        self.thoughts.append(thought)
        self.answer.append(text)
        if (thought or text) and self.first_token is None:
            self.first_token = at
        self.finish = event["finish"] or self.finish
        self.model = event.get("model") or self.model
        self.timings.update(event.get("timings") or {})
        self.usage.update(event.get("usage") or {})
        return thought, text

    def told(self) -> dict[str, Any]:
        return {
            "answer": "".join(self.answer), "thoughts": "".join(self.thoughts),
            "model": self.model, "finish": self.finish, "seconds": self.seconds,
            "first_token": self.first_token, "prompt_tokens": self.usage.get("prompt_tokens"),
            "cached_tokens": self.timings.get("cache_n"),
            "generated_tokens": self.usage.get("completion_tokens"),
            "prompt_speed": self.timings.get("prompt_per_second"),
            "speed": self.timings.get("predicted_per_second"),
        }  # fmt: skip


class Conversation:
    """What was said so far, and the way to the model."""

    def __init__(self, gateway: str, key: str, model: str, arguments: argparse.Namespace) -> None:
        self._gateway = gateway
        self._key = key
        self._body: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
        wishes = {
            "model": model or None, "max_tokens": arguments.max_tokens, "seed": arguments.seed,
            "temperature": arguments.temperature,
        }  # fmt: skip
        self._body |= {key: value for key, value in wishes.items() if value is not None}
        if arguments.schema:
            self._body["response_format"] = _schema(arguments.schema)
        self._shows_thoughts = not arguments.no_thoughts and not arguments.json
        self._silent = arguments.json
        self._raw = arguments.raw and not sys.stdout.isatty()
        self._messages: list[dict[str, Any]] = []
        if arguments.system:
            self._messages.append({"role": "system", "content": arguments.system})

    def ask(self, prompt: str | list[dict[str, Any]]) -> Told:
        """Print the answer as it comes; what came of a cut one is kept in the conversation."""
        asked = [*self._messages, {"role": "user", "content": prompt}]
        told, begun = Told(), time.monotonic()
        try:
            for event in deltas(self._gateway, self._key, {**self._body, "messages": asked}):
                self._print(*told.take(event, time.monotonic() - begun))
        finally:
            told.seconds = time.monotonic() - begun
            if text := "".join(told.answer):
                self._messages = [*asked, {"role": "assistant", "content": text}]
                if not self._silent and not (self._raw or text.endswith("\n")):
                    say()
        if told.finish == "length":
            narrate("The answer stops here: it may not be longer, or the context is full.")
        return told

    def _print(self, thought: str, text: str) -> None:
        if thought and self._shows_thoughts:
            sys.stderr.write(styled(untrusted(thought), "dim", sys.stderr))
            sys.stderr.flush()
        if text and not self._silent:
            if self._raw:
                sys.stdout.buffer.write(text.encode("utf-8", "replace"))
            else:
                sys.stdout.write(untrusted(text, limit=LONGEST))
            sys.stdout.flush()


def _schema(name: str) -> dict[str, Any]:
    try:
        schema = json.loads(_read(name))
    except ValueError as error:
        raise UsageError(f"{untrusted_line(name)} is no JSON", why=str(error)) from error
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}

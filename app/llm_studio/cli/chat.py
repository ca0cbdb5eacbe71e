"""Ask the model that is served: one prompt, or a conversation.

What comes on stdin is added to the prompt (`git diff | llm-studio chat "Review this"`). Thoughts go
to stderr, the answer to stdout. Ctrl-C ends the answer, Ctrl-D the conversation.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from llm_studio.cli.output import narrate, say, styled
from llm_studio.cli.studio import check_version, connect
from llm_studio.client import Client
from llm_studio.errors import NotFound, NotReady, StudioError, UsageError, did_you_mean
from llm_studio.text import untrusted, untrusted_line

PATIENCE = 900


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", nargs="*", help="what to ask; without it, a conversation")
    parser.add_argument("-m", "--model", default="", help="a profile (else the one that is served)")
    parser.add_argument("-s", "--system", default="", help="a system prompt")
    parser.add_argument("--max-tokens", type=int, help="the longest answer")
    parser.add_argument("--no-thoughts", action="store_true", help="do not show thoughts")


def run(arguments: argparse.Namespace) -> int:
    client = connect()
    status = client.ask("GET", "/status")
    check_version(status)
    if arguments.model:
        _require(client, arguments.model)
    if not status["profile"] and not arguments.model:
        raise NotReady("No model is served", hint="Serve one:  llm-studio up ID")
    conversation = Conversation(status["gateway"], arguments)
    prompt = " ".join(arguments.prompt)
    if sys.stdin.isatty() and not prompt:
        return _converse(conversation)
    if not sys.stdin.isatty():
        piped = sys.stdin.buffer.read().decode("utf-8", "replace")
        prompt = "\n\n".join(filter(None, (prompt, piped)))
    if not prompt.strip():
        raise UsageError("There is nothing to ask", hint='llm-studio chat "Why is the sky blue?"')
    conversation.ask(prompt)
    return 0


def _require(client: Client, model: str) -> None:
    """The gateway takes any name, as clients send all sorts; a person may have mistyped."""
    known = [each["id"] for each in client.ask("GET", "/models")["models"]]
    if model not in known:
        raise NotFound(
            f"There is no profile {untrusted_line(model)!r}",
            hint=did_you_mean(model, known) or "`llm-studio list` shows them all.",
        )


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


class Conversation:
    """What was said so far, and the way to the model."""

    def __init__(self, gateway: str, arguments: argparse.Namespace) -> None:
        self._address = gateway.removeprefix("http://")
        self._body: dict[str, Any] = {"stream": True}
        if arguments.model:
            self._body["model"] = arguments.model
        if arguments.max_tokens:
            self._body["max_tokens"] = arguments.max_tokens
        self._thoughts = not arguments.no_thoughts
        self._messages: list[dict[str, str]] = []
        if arguments.system:
            self._messages.append({"role": "system", "content": arguments.system})

    def ask(self, prompt: str) -> None:
        """Print the answer as it comes; what came of a cut one is kept in the conversation."""
        asked = [*self._messages, {"role": "user", "content": prompt}]
        answer: list[str] = []
        try:
            for delta in self._stream(asked):
                self._print(delta, answer)
        finally:
            if answer:
                self._messages = [*asked, {"role": "assistant", "content": "".join(answer)}]
                say()

    def _print(self, delta: dict[str, Any], answer: list[str]) -> None:
        thought, text = delta.get("reasoning_content"), delta.get("content")
        if isinstance(thought, str) and self._thoughts:
            sys.stderr.write(styled(untrusted(thought), "dim", sys.stderr))
            sys.stderr.flush()
        if isinstance(text, str):
            answer.append(text)
            sys.stdout.write(untrusted(text))
            sys.stdout.flush()

    def _stream(self, messages: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE)
        with closing(connection):
            try:
                body = json.dumps({**self._body, "messages": messages})
                headers = {"Content-Type": "application/json", "User-Agent": "llm-studio-chat"}
                connection.request("POST", "/v1/chat/completions", body, headers)
                answer = connection.getresponse()
                if answer.status != 200:
                    raise _refused(answer.read())
                for line in answer:
                    if line.startswith(b"data: [DONE]"):
                        return
                    if line.startswith(b"data: {"):
                        yield from _deltas(json.loads(line[6:]))
                # The library takes an answer that is cut between two lines for a whole one.
                raise ConnectionError("It ended in the midst.")
            except (OSError, http.client.HTTPException) as error:
                raise StudioError(
                    "The answer was cut off",
                    why=str(error) or type(error).__name__,
                    hint="`llm-studio status` tells what happened.",
                ) from error


def _deltas(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "error" in event:
        raise _refused(json.dumps(event).encode())
    for choice in event.get("choices", ()):
        yield choice.get("delta") or {}


def _refused(raw: bytes) -> StudioError:
    try:
        message = json.loads(raw)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = raw.decode(errors="replace")[:400]
    return StudioError("The model did not answer", why=str(message))

"""What chatting costs: from the engine's token to the screen, the UI's CPU, a long conversation.

A stand-in for an engine sends numbered words at a steady pace through a real studio to the real UI
in a terminal; a word is seen when the emulated screen holds it.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from tests.standins.chatty_engine import ChattyEngine, Script, in_a_thread

from benchmarks.row import Row, shown
from benchmarks.seen import STUDIO, Seen, running
from benchmarks.trial import Trial, trial

RATE = 150
WORDS = 1200
MESSAGES = 200
ROUNDS = 3
"""At most: other work on the machine delays what is measured here by the clock."""
SCREEN, CPU, OPEN = 0.060, 0.25, 0.3
_WORD = re.compile(r"w(\d{4})")
PROSE = (
    "Some **text** with `code`, wrapped over several lines so that it has to be laid out: "
    "as long as answers are.\n\n1. One\n2. Two\n\n```python\ndef f(x):\n    return x + 1\n```\n"
)


def words() -> list[dict[str, str]]:
    """An answer as models give them: paragraphs, lists and code."""
    tokens = []
    for number in range(WORDS):
        start = "\n\n" if number % 60 == 0 else "\n- " if number % 60 in (30, 38, 46) else " "
        code = {200: "\n```python\n", 380: "\n```\n"}.get(number % 400, "")
        tokens.append({"content": f"{code}{start}w{number:04}"})
    return tokens


def streaming(seen: Seen, engine: ChattyEngine) -> tuple[list[float], float]:
    """Seconds from each token to the screen, and the UI's share of a core meanwhile."""
    engine.scripts = [Script(words(), pause=1 / RATE)]
    engine.times.clear()
    for key in "go\r":
        seen.key(key)
    newest = -1
    delays: list[float] = []
    seen.until(seen.shows(r"w0040"))
    cpu, begun = seen.cpu(), time.monotonic()

    def done() -> bool:
        nonlocal newest
        found = max(
            (int(each) for each in _WORD.findall("\n".join(seen.screen.lines()))), default=-1
        )
        now = time.monotonic()
        delays.extend(now - engine.times[each] for each in range(newest + 1, found + 1))
        newest = max(newest, found)
        return newest >= WORDS - 1

    seen.until(done, 60)
    share = (seen.cpu() - cpu) / (time.monotonic() - begun)
    return delays[60:], share


def write_long(home: Path) -> None:
    """A conversation of many messages, as its journal."""
    lines = [{"is": "begun", "at": 1.0}]
    for number in range(1, MESSAGES + 1):
        last = " The very end." if number == MESSAGES else ""
        said = {"is": "message", "id": number, "parent": number - 1, "at": 1.0}
        if number % 2:
            lines.append({**said, "role": "user", "text": f"longest: question {number}"})
        else:
            lines.append({**said, "role": "assistant", "state": "running"})
            lines.append({"is": "piece", "id": number, "text": PROSE * 4 + last})
            lines.append({"is": "ended", "id": number, "state": "done", "profile": "chatty"})
    path = home / "state/conversations/aaaaaaaaaaaa.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def opening(seen: Seen) -> float:
    """Seconds from Enter in the list until the end of the conversation is seen."""
    took = []
    for _ in range(5):
        seen.key("\x0f")  # Ctrl+O
        seen.until(seen.shows("Words of the conversation"))
        for key in "longest":
            seen.key(key)
        seen.until(seen.shows(r"longest: question 1 "))
        seen.watch(0.5)
        pressed = seen.key("\r")
        took.append(seen.until(seen.shows("The very end")) - pressed)
        seen.key("\x0e")  # Ctrl+N
        seen.until(seen.shows("Talk to chatty"))
    return median(took)


def measure() -> Iterator[Row]:
    print(
        f"Chat at {RATE} tokens/s through studio and UI, {WORDS} tokens; {MESSAGES} messages opened"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        in_a_thread(ChattyEngine(context=1 << 17)) as engine,
        trial(Path(folder) / "home") as studio,
    ):
        yield from _measured(studio, engine)


def _measured(studio: Trial, engine: ChattyEngine) -> Iterator[Row]:
    (studio.home / "profiles").mkdir(parents=True)
    (studio.home / "profiles/chatty.toml").write_text(engine.profile())
    write_long(studio.home)
    studio.start()
    studio.client.ask("POST", "/switch?wait=true", {"model": "chatty"}, timeout=30)
    own = {key: value for key, value in studio.environment.items() if "LLM_STUDIO" in key}
    with running(STUDIO, **own) as seen:
        seen.until(seen.shows("1 Models"))
        seen.key("4")
        seen.until(seen.shows("Talk to chatty"))
        rounds: list[tuple[list[float], float]] = []
        while len(rounds) < ROUNDS and not (rounds and median(rounds[-1][0]) <= SCREEN):
            rounds.append(streaming(seen, engine))
            seen.key("\x0e")  # Ctrl+N
            seen.until(seen.shows("Talk to chatty"))
        delays, share = min(rounds, key=lambda each: median(each[0]))
        opened = opening(seen)
    rate = (len(engine.times) - 1) / (engine.times[-1] - engine.times[0])
    print(f"  {rate:.1f} tokens a second were sent, best of {len(rounds)}")
    middle, late = median(delays), quantiles(delays, n=20)[-1]
    yield Row(
        f"chat at {RATE} tok/s: to the screen",
        f"{middle * 1000:.1f} ms, p95 {late * 1000:.1f} ms",
        f"between two tokens: {1000 / rate:.1f} ms",
        middle * rate,
        f"{SCREEN * 1000:.0f} ms",
        middle <= SCREEN,
    )
    yield Row(
        f"chat at {RATE} tok/s: CPU",
        f"{share:.1%} of a core",
        goal=f"{CPU:.0%}",
        reached=share <= CPU,
    )
    yield Row(
        f"chat: {MESSAGES} messages opened",
        f"{opened * 1000:.0f} ms",
        goal=f"{OPEN * 1000:.0f} ms",
        reached=opened <= OPEN,
    )


if __name__ == "__main__":
    sys.exit(shown(measure()))

"""Two runs beside each other: what differs, and whether chance alone would explain it."""

from __future__ import annotations

from dataclasses import dataclass

from llm_studio.bench.figures import SURE, chance, mcnemar, paired
from llm_studio.bench.record import MEASURES, Point, Run
from llm_studio.errors import UsageError

FEWEST = 4
"""Values of each side below which no test can tell a difference from chance."""
FEWEST_PAIRS = 6
"""The same for values that belong together one by one."""
TOLD = ("prompt_speed", "speed", "first_token", "gap_p95", "total_speed")
LOWER_IS_BETTER = ("first_token", "gap_p50", "gap_p95", "gap_p99")


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both runs."""

    what: str
    measure: str
    first: float
    second: float
    p: float
    verdict: str
    """"better", "worse" (the second than the first), "tie" or "too few"."""

    @property
    def ratio(self) -> float | None:
        return self.second / self.first if self.first else None


def compare(first: Run, second: Run) -> list[Difference]:
    """Where both measured the same."""
    if first.suite != second.suite:
        raise UsageError("These runs are of different suites", why=f"{first.suite}, {second.suite}")
    found = [*_speeds(first, second), *_tasks(first, second), *_figures(first, second)]
    if not found:
        raise UsageError("These runs have nothing in common")
    return found


def circumstances(first: Run, second: Run) -> list[str]:
    """What else was different, and may be why."""
    told = []
    for name, title in (
        ("build", "llama.cpp"), ("image", "image"), ("image_id", "image id"),
        ("settings", "settings"), ("model_file", "model file"), ("driver", "driver"),
        ("gpus", "GPUs"), ("host", "host"),
    ):  # fmt: skip
        one, two = (getattr(run.stamp, name) for run in (first, second))
        if one != two:
            told.append(f"{title}: {_plain(one)} → {_plain(two)}")
    for word, run in (("first", first), ("second", second)):
        if run.disturbed:
            told.append(f"the {word} was measured beside other load")
    return told


def _plain(value: str | list[str]) -> str:
    """An id as Docker shortens it, a list as its parts."""
    if isinstance(value, list):
        value = ", ".join(value)
    return (value[:19] if value.startswith("sha256:") else value) or "none"


def _speeds(first: Run, second: Run) -> list[Difference]:
    others = {place_of(point): point for point in second.points}
    found = []
    for point in first.points:
        other = others.get(place_of(point))
        for name in TOLD if other is not None else ():
            one = point.measures.get(name)
            two = other.measures.get(name) if other else None
            if one is None or two is None:
                continue
            p = chance(one.values, two.values)
            better = (two.median > one.median) != (name in LOWER_IS_BETTER)
            verdict = "better" if better else "worse"
            if min(len(one.values), len(two.values)) < FEWEST:
                verdict = "too few"
            elif p > SURE:
                verdict = "tie"
            label = MEASURES[name][0]
            found.append(Difference(described(point), label, one.median, two.median, p, verdict))
    return found


def _tasks(first: Run, second: Run) -> list[Difference]:
    """Paired: only the tasks on which the two differ say anything."""
    ones = {task.task: task for task in first.tasks if task.verdict != "error"}
    twos = {task.task: task for task in second.tasks if task.verdict != "error"}
    both = sorted(ones.keys() & twos.keys())
    found = []
    names = {"base": "pass@1 base", "plus": "pass@1 plus"}
    if any(ones[task].kind for task in both):  # of one measure, in several kinds
        names = {"base": "right"}
    for name, title in names.items() if both else ():
        pairs = [(bool(getattr(ones[t], name)), bool(getattr(twos[t], name))) for t in both]
        lost = sum(one and not two for one, two in pairs)
        won = sum(two and not one for one, two in pairs)
        p = mcnemar(lost, won)
        verdict = "tie" if p > SURE else "better" if won > lost else "worse"
        shares = [sum(each) / len(both) for each in zip(*pairs, strict=True)]
        what = f"{len(both)} tasks, {won} won, {lost} lost"
        found.append(Difference(what, title, shares[0], shares[1], p, verdict))
    return found


def _figures(first: Run, second: Run) -> list[Difference]:
    """Window by window where both read the same tokens. Models that cut the text differently can
    be held against each other by the byte alone."""
    if first.settings.get("data sha256") != second.settings.get("data sha256"):
        return []
    same = first.settings.get("tokens sha256") == second.settings.get("tokens sha256")
    found = []
    for name in first.figures.keys() & second.figures.keys() if same else {"bits per byte"}:
        one, two = first.figures.get(name), second.figures.get(name)
        if one is None or two is None:
            continue
        pairs = same and len(one.parts) == len(two.parts)
        p = (paired if pairs else chance)(one.parts, two.parts)
        fewest = FEWEST_PAIRS if pairs else FEWEST
        verdict = "better" if two.value < one.value else "worse"
        if min(len(one.parts), len(two.parts)) < fewest:
            verdict = "too few"
        elif p > SURE:
            verdict = "tie"
        what = f"{len(one.parts)} windows" + (", one by one" if pairs else "")
        found.append(Difference(what, name, one.value, two.value, p, verdict))
    return sorted(found, key=lambda each: each.measure)


def described(point: Point) -> str:
    """A point in words."""
    match point.kind:
        case "prompt":
            return f"prompt {point.prompt}, {point.cache} cache"
        case "answer":
            return f"answer {point.answer}"
        case "depth":
            return f"depth {point.depth}, prompt {point.prompt}, answer {point.answer}"
        case "users":
            return f"{point.users} at a time, prompt {point.prompt}, answer {point.answer}"
        case _:
            part = f"prompt {point.prompt}" if point.prompt else f"answer {point.answer}"
            return f"{part}, depth {point.depth}"


def place_of(point: Point) -> tuple[object, ...]:
    """What must be the same, lest two points be of different things."""
    return (
        point.kind, point.source, point.prompt, point.depth, point.answer, point.users, point.cache,
    )  # fmt: skip

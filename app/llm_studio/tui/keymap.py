"""The keys that a user gives to actions, as they are written, and what would not work of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from textual.keys import KEY_NAME_REPLACEMENTS, Keys

from llm_studio.text import untrusted_line
from llm_studio.tui.actions import KEY_NAMES, every_action

_MODIFIERS = ("ctrl", "alt", "shift", "super", "hyper", "meta")
_WRITTEN = {name.lower(): key for key, name in KEY_NAMES.items()}
_NAMED = {key.value for key in Keys} | set(KEY_NAMES) | set(KEY_NAME_REPLACEMENTS.values())


def keymap_of(remapped: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The keys by action as Textual takes them, and what is wrong, a sentence each."""
    every = every_action()
    keymap: dict[str, str] = {}
    wrong: list[str] = []
    for id_, written in remapped.items():
        if id_ not in every:
            wrong.append(f"there is no action {untrusted_line(id_)}; docs/keys.md lists them")
            continue
        keys = {each: key_of(each) for each in written.split(",")}
        unknown = [untrusted_line(each.strip()) for each, key in keys.items() if key is None]
        if unknown:
            wrong.append(f"{' and '.join(unknown)} is no key, so {id_} keeps its own")
        else:
            keymap[id_] = ",".join(filter(None, keys.values()))
    return keymap, wrong + list(_clashes(keymap))


def key_of(written: str) -> str | None:
    """Textual's name of a key that is written as on the keyboard, as in docs/keys.md, or so."""
    *modifiers, last = [each.strip() for each in written.strip().split("+")]
    if not last and modifiers[-1:] == [""]:  # the plus itself
        modifiers, last = modifiers[:-1], "plus"
    modifiers = [each.lower() for each in modifiers]
    if not last or any(each not in _MODIFIERS for each in modifiers):
        return None
    if len(last) == 1 and modifiers == ["shift"]:
        return last.upper()
    if len(last) == 1:
        last = _of_letter(last.lower() if modifiers else last)
    else:
        last = _WRITTEN.get(last.lower(), last.lower())
        if last not in _NAMED and not _is_a_letter(last):
            return None
    return "+".join([*modifiers, last])


def _of_letter(letter: str) -> str:
    if letter.isalnum():
        return letter
    name = unicodedata.name(letter, letter).lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


def _is_a_letter(name: str) -> bool:
    """Whether Unicode knows a letter by the name, like "comma" or "question_mark"."""
    try:
        unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return False
    return True


def _clashes(keymap: Mapping[str, str]) -> list[str]:
    """Keys that the settings give to one action and another has in the same place."""
    every = every_action()
    having: dict[str, list[str]] = {}
    for id_, action in every.items():
        for key in keymap.get(id_, action.keys).split(","):
            having.setdefault(key, []).append(id_)
    told: list[str] = []
    for key, ids in having.items():
        for at, first in enumerate(ids):
            for second in ids[at + 1 :]:
                places = {every[first].where, every[second].where}
                together = len(places) == 1 or "app" in places
                if together and (first in keymap or second in keymap):
                    told.append(f"{key} is the key of {first} and of {second}")
    return told

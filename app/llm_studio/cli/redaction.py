"""Takes out of a text what is nobody else's business: secrets, names, addresses, home folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

GONE = "(removed)"
_NAME = (
    r"(?:api[_-]?key|apikey|key|token|secret|passw(?:or)?d|passphrase|credentials?|authorization"
    r"|auth|cookie|session[_-]?id)"
)
_SECRET_NAME = re.compile(
    rf"(?:^|[_\-. ]){_NAME}s?$|(?:passw(?:or)?d|secret|token|apikey)$", re.IGNORECASE
)
_NO_SECRET = re.compile(r"(?:file|path|ids?|count|port|host)$|^max_|tokens$", re.IGNORECASE)
"""Names that end as a secret's may, or hold one's word, and name something else."""
_SHAPES = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL),
    re.compile(
        r"(?<![A-Za-z0-9])(?:hf|sk|pk|rk|gh[opusr]|github_pat|glpat|xox[abeprs]|pypi|npm|nvapi|gsk"
        r"|r8|tvly)[-_](?=[\w-]*\d|[\w-]{12})[A-Za-z0-9_-]{6,}"
    ),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b|\bAIza[\w-]{20,}|\bya29\.[\w-]{20,}"),
    re.compile(r"(?<![\w-])eyJ[\w-]{8,4000}\.[\w-]{4,}(?:\.[\w-]*)?"),
)
_RANDOM = re.compile(r"(?<![\w/.-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{40,}(?![\w-])")
"""Letters of both cases and digits, too long for a word; a digest has one case."""
_SCHEME = re.compile(r"\b(authorization|proxy-authorization|cookie|set-cookie)(\s*[:=]\s*).+", re.I)
_BEARER = re.compile(r"\b(bearer|basic)\s{1,5}[\w.~+/=-]{4,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"(?<![\w-])(?P<name>[\w-]*{_NAME}s?)(?P<is>[\"']?\s*[:=]\s*)(?P<quote>[\"']?)"
    r"(?P<value>[^\s\"',;&]+)",
    re.IGNORECASE,
)
_FLAG = re.compile(rf"(?<![\w-])(--?[\w-]*{_NAME})(\s+)(?!-)(\S+)", re.IGNORECASE)
_IN_URL = re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@\"']+@", re.IGNORECASE)
_MACHINE = re.compile(r"\b((?:ssh|tcp)://)(?!localhost|127\.|\[::1\])[^\s/\"':)]+", re.IGNORECASE)
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+")
_PART = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(
    rf"(?<![\w.])(?!127\.|0\.|255\.)(?:{_PART}\.){{3}}{_PART}(?![\w.])"
    r"(?! [IWED] )"  # the clock of llama.cpp's log
)
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9a-f:]{0,39}::|(?:[0-9a-f]{1,4}:){7})(?!::1\b|::(?![0-9a-f]))"
    r"[0-9a-f:]{6,39}(?![\w:])",
    re.IGNORECASE,
)
_MAC = re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", re.IGNORECASE)
_GPU = re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}-[0-9a-f-]{20,}", re.IGNORECASE)
_OTHERS_HOME = re.compile(r"(/home/|/Users/)(?!\(user\))[^/\s\"':,]+")
_TELLS_NOTHING = {
    "root", "user", "admin", "ubuntu", "debian", "fedora", "arch", "localhost", "host", "docker",
    "llama", "model", "models", "studio", "server", "gpu", "linux", "home", "vm", "test", "runner",
}  # fmt: skip
"""Names of users and machines that are words of every report."""
_PROMPTS = ("-p", "--prompt", "-sys", "--system-prompt", "--system", "-f", "--grammar")


class Redaction:
    """One user's names and secrets, taken out wherever they stand."""

    def __init__(self, home: Path, user: str, host: str, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({each for each in secrets if len(each) >= 8}, key=len, reverse=True)
        self._words = [*self._word(user, "(user)"), *self._word(host.partition(".")[0], "(host)")]
        self._home = None
        if len(home.parts) > 1:
            self._home = re.compile(rf"(?<![\w/.-]){re.escape(str(home))}(?![\w.-])")

    @staticmethod
    def _word(name: str, stands_in: str) -> Iterator[tuple[re.Pattern[str], str]]:
        if len(name) > 2 and name.lower() not in _TELLS_NOTHING:
            yield re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.I), stands_in

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, GONE)
        text = _GPU.sub(r"\1-(id)", text)
        for shape in _SHAPES:
            text = shape.sub(GONE, text)
        text = _RANDOM.sub(_random, text)
        text = _SCHEME.sub(rf"\1\2{GONE}", text)
        text = _BEARER.sub(rf"\1 {GONE}", text)
        text = _IN_URL.sub(rf"\1{GONE}@", text)
        text = _ASSIGNED.sub(_assigned, text)
        text = _FLAG.sub(_flag, text)
        text = _MACHINE.sub(r"\1(machine)", text)
        text = _MAIL.sub("(mail)", text)
        text = _IPV4.sub("(address)", text)
        text = _IPV6.sub("(address)", text)
        text = _MAC.sub("(address)", text)
        if self._home:
            text = self._home.sub("~", text)
        text = _OTHERS_HOME.sub(r"\1(user)", text)
        for word, stands_in in self._words:
            text = word.sub(stands_in, text)
        return text

    def value(self, value: Any) -> Any:
        """The same within what becomes JSON; a field that is called a secret holds one."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): GONE
                if is_secret(str(key)) and isinstance(each, str) and each
                else self.value(each)
                for key, each in value.items()
            }
        if isinstance(value, Sequence):
            return [self.value(each) for each in value]
        return value

    def command(self, words: Sequence[str]) -> list[str]:
        """A command line without its secrets and prompts; flags stay, so that it can be read."""
        told: list[str] = []
        hide = False
        for word in words:
            flag, equals, _ = word.partition("=")
            private = flag.startswith("-") and (is_secret(flag.lstrip("-")) or flag in _PROMPTS)
            if hide:
                told.append(GONE)
                hide = False
            elif private:
                told.append(f"{flag}={GONE}" if equals else flag)
                hide = not equals
            else:
                told.append(self.text(word))
        return told

    def holds(self, text: str) -> bool:
        """Whether a known secret is still in it: the last look before anything is written."""
        return any(secret in text for secret in self._secrets)


def is_secret(name: str) -> bool:
    """Whether something of this name is to be hidden."""
    spelled = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return bool(_SECRET_NAME.search(spelled)) and not _NO_SECRET.search(spelled)


def _random(match: re.Match[str]) -> str:
    """Names of models are as long, but of many parts."""
    parts = re.split(r"[-_]", match[0])
    return match[0] if len(parts) > 6 else GONE


def _assigned(match: re.Match[str]) -> str:
    if not is_secret(match["name"]) or match["value"].startswith("("):
        return match[0]
    said = match["value"].lower().rstrip(".")
    if said in ("true", "false", "null", "none", "unset") or (said.isdigit() and len(said) < 6):
        return match[0]  # as in `BOS token = 1`
    return f"{match['name']}{match['is']}{match['quote']}{GONE}"


def _flag(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{GONE}" if is_secret(match[1].lstrip("-")) else match[0]

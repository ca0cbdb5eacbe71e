"""Can models be fetched from the Hugging Face hub?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.hub import address
from llm_studio.probes.doctor.system import System

_WHY = "Without it no model can be downloaded; those that are here can be served."


def look(system: System) -> Iterator[Finding]:
    if system.environment.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        yield warning(
            "downloads are switched off by HF_HUB_OFFLINE", _WHY, ("unset HF_HUB_OFFLINE",)
        )
        return
    url = address(system)
    parts = urlsplit(url)
    host = parts.hostname or url
    # The address may hold a password, which is not for the screen.
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    answer = system.ask(url)
    if answer.status is not None and answer.status < 500:
        token = "HF_TOKEN" in system.environment
        yield ok(
            f"{host} answers in {answer.seconds * 1000:.0f} ms" + (", HF_TOKEN is set" * token)
        )
        return
    told = f"{host} cannot be reached"
    named = bool(system.environment.get("HF_ENDPOINT"))
    if answer.status is not None:
        yield warning(f"{host} answers with error {answer.status}", _WHY, (), "Try again later.")
    elif answer.trouble == "certificate":
        yield fault(
            f"{told}: its certificate is not trusted ({answer.told})",
            "A proxy that looks into connections, or a wrong clock, does that.",
            ("date", "export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"),
            "Ask for your network's own certificate, and add it to the system's.",
        )
    elif answer.trouble == "proxy":
        yield warning(
            f"{told}: the proxy refuses ({answer.told})",
            _WHY,
            ("env | grep -i proxy",),
            "Have the host allowed, or name a mirror with HF_ENDPOINT.",
        )
    else:
        causes = {
            "name": "its name is not known, so this machine is offline or has no DNS",
            "slow": "no answer in time, so a firewall may be in the way",
            "refused": "the connection is refused",
        }
        yield warning(
            f"{told}: {causes.get(answer.trouble, answer.told)}",
            _WHY,
            (f"curl -sI {shlex.quote(shown)}", *(("unset HF_ENDPOINT",) if named else ())),
            "Behind a proxy, set HTTPS_PROXY; a mirror is named by HF_ENDPOINT.",
        )


CHECK = Check("network.hub", "Hugging Face hub", Group.NETWORK, 30, look)

"""Check profiles: whether they are valid, and whether they are in one of the known traps.

Without ids, all of your own are checked, and the shipped ones whose model file is here. The exit
code is 1 when anything is an error; with --strict, when anything is a warning.
"""

from __future__ import annotations

import argparse
import sys

from llm_studio.cli.output import narrate, print_json, say, styled
from llm_studio.cli.workspace import Workspace, gpu_option, workspace
from llm_studio.profiles.lint import Finding, lint, shared_aliases
from llm_studio.profiles.plan import Plan
from llm_studio.text import untrusted

_STYLE = {"error": "red", "warning": "yellow", "note": "dim"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="profiles to check")
    parser.add_argument("--all", action="store_true", help="every profile")
    parser.add_argument("--strict", action="store_true", help="fail on warnings too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    gpu_option(parser)


def run(arguments: argparse.Namespace) -> int:
    with workspace(arguments.gpus) as here:
        plans = _chosen(here, arguments)
        findings = {plan.entry.id: _findings(plan) for plan in plans}
        for id_, finding in shared_aliases(here.plans()):
            if id_ in findings:
                findings[id_].append(finding)
        if arguments.json:
            print_json(_as_json(plans, findings))
        else:
            for plan in plans:
                _show(plan, findings[plan.entry.id])
    levels = {finding.level for found in findings.values() for finding in found}
    failed = "error" in levels or (arguments.strict and "warning" in levels)
    if not arguments.json and sys.stderr.isatty():
        narrate(f"{len(plans)} checked, {'something is wrong' if failed else 'all usable'}.")
    return 1 if failed else 0


def _chosen(here: Workspace, arguments: argparse.Namespace) -> list[Plan]:
    if arguments.ids:
        return [here.plan(id_) for id_ in dict.fromkeys(arguments.ids)]
    return [plan for plan in here.plans() if arguments.all or _is_here(plan)]


def _is_here(plan: Plan) -> bool:
    """One of the user's own, or one whose model file is on this machine."""
    if not plan.entry.shipped:
        return True
    written = plan.model is None or not plan.model.to_be_written
    return written and plan.state not in ("missing", "template")


def _findings(plan: Plan) -> list[Finding]:
    broken = [
        Finding("error", problem.key, f"{problem.what} {problem.hint}".strip(), problem.where)
        for problem in plan.entry.problems
    ]
    return broken or lint(plan)


def _show(plan: Plan, findings: list[Finding]) -> None:
    worst = next((level for level in _STYLE if any(f.level == level for f in findings)), "")
    verdict = {"error": "error", "warning": "warning"}.get(worst, "ok")
    say(f"{plan.entry.id}: {styled(verdict, _STYLE[worst] if verdict != 'ok' else 'green')}")
    for finding in findings:
        key = f"{finding.key}: " if finding.key else ""
        say(f"  {styled(finding.level, _STYLE[finding.level])} {untrusted(key + finding.what)}")
        say(f"    {untrusted(finding.why)}")


def _as_json(plans: list[Plan], findings: dict[str, list[Finding]]) -> list[dict[str, object]]:
    return [
        {
            "id": plan.entry.id,
            "path": str(plan.entry.path),
            "valid": plan.profile is not None,
            "findings": [
                {"level": f.level, "key": f.key, "what": f.what, "why": f.why}
                for f in findings[plan.entry.id]
            ],
        }
        for plan in plans
    ]

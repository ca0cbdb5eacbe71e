"""Write a profile for a model file, from what the file says about itself.

FILE is a name that `llm-studio files` shows, or a path. What the planner can choose better (the
context, where the layers go) is left unset.
"""

from __future__ import annotations

import argparse
import os

from llm_studio.cli.output import narrate, print_json, say
from llm_studio.cli.workspace import Workspace, path_of, workspace
from llm_studio.errors import NotFound, StudioError, UsageError
from llm_studio.models.library import ModelFile
from llm_studio.profiles.create import id_for, values_for
from llm_studio.profiles.lint import lint
from llm_studio.profiles.save import check, check_id, compose, save


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a model file, by name or path")
    parser.add_argument("--id", help="the new profile's id (else after the file)")
    parser.add_argument("--name", help="its name (else the file's own)")
    parser.add_argument("--extends", metavar="ID", help="take the values of another profile")
    parser.add_argument("--replace", action="store_true", help="replace a profile of that id")
    parser.add_argument("--print", action="store_true", help="print it instead of writing it")
    parser.add_argument("--json", action="store_true", help="print its id and path as JSON")


def run(arguments: argparse.Namespace) -> int:
    with workspace() as here:
        model = _model(here, arguments.file)
        if model.kind != "model":
            model.require()  # a damaged file says what is wrong with it
            raise StudioError(
                f"{model.name} is no model that could be served",
                why=f"It is {model.nature}.",
                hint="A projector or adapter is named in the profile of its model."
                if model.kind in ("projector", "adapter")
                else "",
            )
        values = values_for(model)
        if arguments.name:
            values["name"] = arguments.name
        if arguments.extends:
            values["extends"] = here.catalogue.get(arguments.extends).id
        text = compose(values)
        id_ = arguments.id or id_for(model)
        check_id(id_)
        path = here.settings.paths.profiles / f"{id_}.toml"
        if arguments.print:
            check(id_, path, text, here.catalogue).require()
            say(text.rstrip())
            return 0
        if os.path.exists(path) and not arguments.replace:
            raise StudioError(
                f"There is a profile {id_!r} already",
                why=str(path),
                hint="Give another with --id, or --replace it.",
            )
        entry = save(id_, path, text, here.catalogue)
        plan = here.plan_for(entry)
        if arguments.json:
            print_json({"id": id_, "path": str(path)})
            return 0
        say(f"{id_}: written to {path}")
        if plan.fit:
            narrate(f"Fit: {plan.fit.badge}, context {plan.fit.estimate.context:,}.")
        for finding in lint(plan):
            narrate(f"{finding.level}: {finding.key}: {finding.what} {finding.why}")
        narrate(f"`llm-studio show {id_}` shows it whole, `llm-studio edit {id_}` changes it.")
    return 0


def _model(here: Workspace, wanted: str) -> ModelFile:
    """By name; or by path, which must lie where the engine will find it again."""
    path = path_of(wanted)
    if path is None:
        return here.library.get(wanted)
    try:
        return here.library.get(str(path.absolute()))
    except NotFound:
        raise UsageError(
            f"{path} is in none of the models folders",
            why="A profile names its model file below one of them.",
            hint=f"Add its folder:  llm-studio config models {path.absolute().parent}",
        ) from None

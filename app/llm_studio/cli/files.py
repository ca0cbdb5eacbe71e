"""Model files on this machine, from your folders and from the caches of other programs.

With FILE (a name from the list, or any path), what the file says about itself.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from llm_studio.cli.output import (
    Cell,
    Column,
    narrate,
    print_json,
    say,
    size,
    styled,
    table,
    tokens,
)
from llm_studio.cli.workspace import path_of
from llm_studio.errors import StudioError
from llm_studio.models.architecture import Architecture
from llm_studio.models.gguf import ArraySize, Header, Value
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library, ModelFile, shards_told
from llm_studio.models.places import Found
from llm_studio.profiles.create import name_of, quantisation_of
from llm_studio.settings import load_settings
from llm_studio.text import untrusted, untrusted_line


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", help="a model file, by name or path")
    parser.add_argument("--tensors", action="store_true", help="list the file's tensors too")
    parser.add_argument("--template", action="store_true", help="print its chat template alone")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings()
    with Headers(settings.paths.cache) as headers:
        library = Library.scan(settings.models, headers, caches=settings.caches)
        if arguments.file is None:
            return _list(library, arguments.json, settings.models)
        path = path_of(arguments.file)
        model = _at(path, headers) if path and path.is_file() else library.get(arguments.file)
    if arguments.template:
        return _show_template(model)
    if arguments.json:
        print_json(_as_json(model, tensors=arguments.tensors, whole=True))
    else:
        _show(model, arguments.tensors)
    return 0 if model.usable else 1


def _at(path: Path, headers: Headers) -> ModelFile:
    """A file anywhere, with the shards and projectors beside it."""
    siblings: list[Path] = []
    with contextlib.suppress(OSError):  # a folder may let its files be read, but not be listed
        siblings = sorted(each for each in path.parent.iterdir() if each.suffix.lower() == ".gguf")
    found = [Found(each.name, each, "folder") for each in siblings or [path]]
    if path not in siblings:
        found.append(Found(path.name, path, "folder"))
    return Library(found, headers).get(str(path))


def _list(library: Library, as_json: bool, folders: tuple[Path, ...]) -> int:
    models = list(library)
    if as_json:
        print_json([_as_json(model) for model in models])
        return 0
    columns = (
        Column("FILE", flexible=True),
        Column("SIZE", right=True),
        Column("ARCH"),
        Column("QUANT"),
        Column("TRAINED", right=True),
        Column("WHERE"),
    )
    if models:
        table(columns, [_row(model) for model in models])
    for model in models:
        trouble = _trouble(model)
        if trouble:
            narrate(f"{styled(untrusted_line(model.name), 'red', sys.stderr)}: {trouble}")
    if not models and sys.stdout.isatty():
        say("No model file was found. Looked into:")
        for folder in folders:
            say(
                f"  {untrusted_line(str(folder), limit=500)}"
                + ("" if os.path.isdir(folder) else " (not there)")
            )
        say("and into the caches of Hugging Face, llama.cpp, LM Studio and Ollama.")
        say("Name the folder where yours are:  llm-studio config models /data/models")
    return 0


def _trouble(model: ModelFile) -> str:
    if model.missing:
        return f"{shards_told(model.missing, model.shard_count)} missing."
    return untrusted_line(model.problem, limit=400)


def _row(model: ModelFile) -> list[Cell | str]:
    header = model.header
    if header is None:
        return [Cell(model.name, "red"), size(model.size), "", "", "", model.place]
    architecture = Architecture(header)
    trained = tokens(architecture.trained_context) if architecture.trained_context else ""
    kind = architecture.name if model.kind == "model" else model.kind
    style = "red" if model.missing else "" if model.kind == "model" else "dim"
    name, quantisation = Cell(model.name, style), quantisation_of(header)
    return [name, size(model.size), kind, quantisation, trained, model.place]


def _show(model: ModelFile, with_tensors: bool) -> None:
    say(styled(untrusted_line(model.name), "bold"))
    for path in model.paths:
        say(styled(untrusted_line(f"  {path}", limit=500), "dim"))
    trouble = _trouble(model)
    if trouble:
        say(styled(trouble, "red"))
    for other in model.also:
        say(f"  also {untrusted_line(other)}")
    for projector in model.projectors:
        say(untrusted_line(f"  projector {projector}", limit=500))
    if model.header is None:
        return
    say()
    for label, value in _facts(model, model.header):
        say(f"{label:<16} {untrusted_line(value)}")
    say()
    rows = [[key, _told(value)] for key, value in sorted(model.header.metadata.items())]
    table((Column("KEY"), Column("VALUE", flexible=True)), rows)
    if with_tensors:
        say()
        table(
            (Column("TENSOR"), Column("TYPE"), Column("SHAPE"), Column("SIZE", right=True)),
            [
                [t.name, t.type.name, " × ".join(map(str, t.shape)), size(t.size)]
                for t in model.header.tensors
            ],
        )


def _facts(model: ModelFile, header: Header) -> list[tuple[str, str]]:
    arch = Architecture(header)
    facts = [
        ("name", name_of(header, model.name)),
        ("size", f"{size(model.size)} in {len(model.paths)} file(s)"),
        (
            "architecture",
            f"{arch.name}" + ("" if arch.known else " (not known: estimates are rough)"),
        ),
        ("quantisation", quantisation_of(header)),
        ("parameters", f"{arch.parameters / 1e9:,.2f} billion"),
    ]
    if model.kind != "model":
        return [*facts, ("kind", model.kind)]
    facts += [
        ("trained context", f"{arch.trained_context:,}"),
        (
            "layers",
            f"{arch.block_count}, embedding {arch.embedding:,}, vocabulary {arch.vocabulary:,}",
        ),
        ("attention", _attention(arch)),
    ]
    if arch.experts:
        facts.append(("experts", f"{arch.experts}, {arch.experts_used} used per token"))
    return facts


def _attention(arch: Architecture) -> str:
    kv = sorted(set(arch.kv_heads))
    told = f"{arch.heads} heads, {'/'.join(map(str, kv))} for keys and values"
    if arch.latent_attention:
        told += ", latent (MLA)"
    if any(arch.windowed):
        told += f", {sum(arch.windowed)} layers see a window of {arch.window:,}"
    if any(arch.recurrent):
        told += f", {sum(1 for each in arch.recurrent if each)} recurrent layers"
    return told


def _told(value: Value) -> str:
    if isinstance(value, ArraySize):
        return f"{value.count:,} × {value.kind.name.lower()}"
    if isinstance(value, tuple):
        return f"[{', '.join(str(each) for each in value[:12])}{', …' if len(value) > 12 else ''}]"
    if isinstance(value, str):
        first, _, rest = value.partition("\n")
        return f"{first} … ({len(value):,} characters)" if rest else first
    return str(value).lower() if isinstance(value, bool) else str(value)


def _show_template(model: ModelFile) -> int:
    template = model.require().metadata.get("tokenizer.chat_template")
    if not isinstance(template, str):
        raise StudioError(f"{model.name} has no chat template")
    say(untrusted(template, limit=1 << 20))
    return 0


def _as_json(model: ModelFile, *, tensors: bool = False, whole: bool = False) -> dict[str, Any]:
    header = model.header
    arch = Architecture(header) if header else None
    told: dict[str, Any] = {
        "name": model.name,
        "kind": model.kind,
        "paths": [str(path) for path in model.paths],
        "size": model.size,
        "place": model.place,
        "repo": model.repo or None,
        "also": list(model.also),
        "projectors": [str(path) for path in model.projectors],
        "missing_shards": list(model.missing),
        "problem": model.problem or None,
        "architecture": arch.name if arch else None,
        "quantisation": quantisation_of(header) if header else None,
        "parameters": arch.parameters if arch else None,
        "trained_context": (arch.trained_context or None) if arch else None,
    }
    if header and whole:
        told["metadata"] = {
            key: {"type": value.kind.name.lower(), "count": value.count}
            if isinstance(value, ArraySize)
            else value
            for key, value in header.metadata.items()
        }
    if header and tensors:
        told["tensors"] = [
            {"name": t.name, "type": t.type.name, "shape": list(t.shape), "size": t.size}
            for t in header.tensors
        ]
    return told

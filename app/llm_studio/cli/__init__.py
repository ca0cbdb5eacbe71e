"""The command line. This module runs on every start, so it imports next to nothing."""

from __future__ import annotations

import os
import sys
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from io import TextIOWrapper

from llm_studio.cli.commands import BY_NAME, COMMANDS, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for name in ("stdout", "stderr"):  # closed by whoever started us, as `>&-` does
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for the whole run
    # Help holds a few characters that not every terminal's encoding has.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = _answer(words)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away, as `| head` does
        _forget_output()
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT, EFBIG, EIO):
            raise
        _forget_output()
        print(f"error: Cannot write: {error.strerror}", file=sys.stderr)
        return 1
    return code


def _forget_output() -> None:
    """What could not be written is not tried again on the way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answer(words: list[str]) -> int:
    if words and words[0] in ("-h", "--help", "help"):
        if len(words) > 1:
            words = [words[1], "--help"]
        else:
            print(overview())
            return 0
    if words and words[0] in ("-V", "--version"):
        from llm_studio import __version__

        print(f"llm-studio {__version__}")
        return 0
    return _guarded(words)


def _guarded(words: list[str]) -> int:
    """Failures become plain words and an exit code; only a defect shows a traceback."""
    from llm_studio.errors import StudioError

    try:
        return _run(words)
    except StudioError as error:
        from llm_studio.cli.output import report

        report(error)
        return error.exit_code
    except (LookupError, TypeError, AttributeError):
        from llm_studio.cli.output import report
        from llm_studio.cli.studio import of_another_version

        if (other := of_another_version()) is None:
            raise
        report(other)
        return other.exit_code


def _run(words: list[str]) -> int:
    if not words or words[0].startswith("--theme"):
        words = _without_command(words)
    name, rest = words[0], words[1:]
    command = BY_NAME.get(name)
    if command is None:
        raise _unknown(name)
    module = __import__(f"llm_studio.cli.{command.module}", fromlist=["run"])
    if hasattr(module, "quick"):  # a form so plain that `argparse` would cost more than all else
        done: int | None = module.quick(rest)
        if done is not None:
            return done
    from argparse import RawDescriptionHelpFormatter

    from llm_studio.cli.parser import Parser

    parser = Parser(
        prog=f"llm-studio {command.name}",
        description=module.__doc__,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.options(parser)
    if getattr(module, "PASSES_ON", False):  # words that are for another program
        arguments, passed_on = parser.parse_known_args(rest)
        arguments.passed_on = passed_on
    else:
        arguments = parser.parse_args(rest)
    code: int = module.run(arguments)
    return code


def _without_command(words: list[str]) -> list[str]:
    """The terminal UI; where there is no terminal, the profiles."""
    from llm_studio.tui.start import possible

    return ["ui", *words] if words or possible() else ["list"]


def _unknown(name: str) -> Exception:
    from llm_studio.errors import UsageError, did_you_mean
    from llm_studio.text import untrusted_line

    what = "option" if name.startswith("-") else "command"
    return UsageError(
        f"There is no {what} {untrusted_line(name)!r}",
        hint=did_you_mean(name, BY_NAME) or "`llm-studio --help` lists the commands.",
    )


def overview() -> str:
    """What `llm-studio --help` prints."""
    width = max(len(_called(command)) for command in COMMANDS)
    lines = [
        "Serve large language models on your own GPUs with llama.cpp.",
        "",
        "usage: llm-studio [COMMAND] [OPTIONS]",
        "",
        *(f"  {_called(command):<{width}}  {command.summary}" for command in COMMANDS),
        "",
        "`llm-studio COMMAND --help` tells more; without a command, the terminal UI opens.",
        "Listings take --json. Exit codes: 0 done, 1 failed, 2 usage, 3 not ready, 4 not found.",
        "LLM_STUDIO_HOME puts everything under one folder.",
    ]
    return "\n".join(lines)


def _called(command: Command) -> str:
    return f"{command.name} {command.usage}".rstrip()

"""Completion of commands, options, profile ids and model files in the shell.

bash:  llm-studio completion bash > ~/.local/share/bash-completion/completions/llm-studio
zsh:   llm-studio completion zsh > "${fpath[1]}/_llm-studio"
fish:  llm-studio completion fish > ~/.config/fish/completions/llm-studio.fish
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from llm_studio.cli.commands import BY_NAME
from llm_studio.cli.output import say
from llm_studio.errors import StudioError
from llm_studio.text import has_controls

_BASH = r"""# Names come from files that anybody may have named: nothing here may expand them.
_llm_studio() {
    local words=() word="" glued="" index last start
    # bash ends words at colons and equal signs, which are part of some names.
    for ((index = 1; index <= COMP_CWORD; index++)); do
        word="${COMP_WORDS[index]}"
        last=$((${#words[@]} - 1))
        if [[ $last -ge 0 && ( -n $glued || $word == [:=]* ) ]]; then
            words[last]+="$word"
        else
            words+=("$word")
        fi
        if [[ $word == *[:=] ]]; then glued=1; else glued=""; fi
    done
    word="${words[${#words[@]} - 1]}"
    start="${word%"${word##*[:=]}"}"
    COMPREPLY=()
    while IFS= read -r word; do
        printf -v word '%q' "${word#"$start"}"
        COMPREPLY+=("$word")
    done < <(llm-studio completion --words "${words[@]}" 2>/dev/null)
}
complete -o default -F _llm_studio llm-studio
"""
_ZSH = """\
#compdef llm-studio
_llm_studio() {
    local -a found
    found=("${(@f)$(llm-studio completion --words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
if [[ "$funcstack[1]" == "_llm-studio" ]]; then
    _llm_studio "$@"
else
    compdef _llm_studio llm-studio
fi
"""
_FISH = """\
function __llm_studio_words
    llm-studio completion --words (commandline -opc)[2..] (commandline -ct) 2>/dev/null
end
complete -c llm-studio -f -a '(__llm_studio_words)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", nargs="?", choices=_SCRIPTS, help="print the script for this shell"
    )
    # What the scripts call: the candidates for the last of the words typed so far.
    parser.add_argument("--words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    if arguments.words is not None:
        for word in candidates(arguments.words):
            if not has_controls(word):
                say(word)
        return 0
    if not arguments.shell:
        say((__doc__ or "").strip())
        return 2
    say(_SCRIPTS[arguments.shell].rstrip())
    return 0


def candidates(words: Sequence[str]) -> Iterable[str]:
    """What may stand in place of the last word."""
    before, current = list(words[:-1]), words[-1] if words else ""
    if not before:
        found: Iterable[str] = [*BY_NAME, "--help", "--version"]
    elif before[0] not in BY_NAME:
        return
    elif current.startswith("-"):
        found = _options_of(before[0])
    else:
        found = _positionals(BY_NAME[before[0]].completes, before[1:])
    yield from (word for word in found if word.startswith(current))


def _options_of(name: str) -> list[str]:
    from importlib import import_module

    parser = argparse.ArgumentParser(allow_abbrev=False)
    import_module(f"llm_studio.cli.{BY_NAME[name].module}").options(parser)
    return [
        option
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        for option in action.option_strings
    ]


def _positionals(kind: str, before: Sequence[str]) -> Iterable[str]:
    from llm_studio.settings import BY_KEY

    try:
        if kind == "profile":
            return _profile_ids()
        if kind == "file":
            return _model_files()
        if kind == "setting" and not before:
            return BY_KEY
        if kind == "shell" and not before:
            return _SCRIPTS
        if kind == "image" and not before:
            return ("list", "pull", "build", "use", "check", "rollback", "prune")
    except StudioError:
        return ()
    return ()


def _profile_ids() -> list[str]:
    """By file name alone: nothing is parsed while the user waits for a TAB."""
    from llm_studio.profiles.folders import profile_paths
    from llm_studio.settings import load_settings

    return sorted({path.stem for path in profile_paths(load_settings().paths.profiles)})


def _model_files() -> list[str]:
    import os

    from llm_studio.models.places import find_files
    from llm_studio.settings import home_folder, load_settings

    settings = load_settings()
    return [
        found.name
        for found in find_files(settings.models, settings.caches, os.environ, home_folder())
    ]

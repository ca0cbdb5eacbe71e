"""All profiles together: a broken one hides no other, and says what is wrong and where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.profiles.conftest import Shelf

from llm_studio.errors import NotFound, StudioError
from llm_studio.profiles.catalogue import MAX_FILE, Catalogue, Entry, Source, parse_source

GOOD = 'name = "Good"\n[server]\nparallel = 1\n'

# name: (content, line, key, what is told)
BROKEN: dict[str, tuple[bytes, int | None, str, str]] = {
    "syntax": (b'name = "A"\n[server]\ncontext = = 1\n', 3, "", "Invalid value"),
    "unclosed": (b'name = "A\n[server]\n', 1, "", "Illegal character"),
    "unclosed-table": (b'name = "A"\n[server\n', 2, "", "Expected ']'"),
    "duplicate-key": (b'name = "A"\nname = "B"\n', 2, "", "overwrite"),
    "duplicate-table": (b'name = "A"\n[server]\n[server]\n', 3, "", "twice"),
    "wrong-type": (b'name = "A"\n\n[server]\ncontext = "x"\n', 4, "server.context", "integer"),
    "unknown-key": (b'name = "A"\n[server]\ncontxt = 1\n', 3, "server.contxt", "unknown key"),
    "no-name": (b"[server]\ncontext = 1\n", None, "name", "is missing"),
    "empty": (b"", None, "name", "is missing"),
    "not-utf-8": (b'name = "A"\nsummary = "\xff"\n', 2, "", "not UTF-8"),
    "bom": (b'\xef\xbb\xbfname = "A"\n', 1, "", "Invalid statement"),
    "nul": (b'name = "A"\n\x00', 2, "", "Invalid"),
    "utf-16": ('name = "A"'.encode("utf-16"), 1, "", "not UTF-8"),
    "too-large": (b'name = "A"\n#' + b"x" * MAX_FILE, None, "", "larger"),
    "deep": (b'name = "A"\ntags = ' + b"[" * 50_000, None, "", "nested too deeply"),
    "long-number": (b'name = "A"\n[server]\ncontext = ' + b"9" * 5000, 3, "", "limit"),
    "section-not-table": (b'name = "A"\nserver = 5\n', 2, "server", "valid dictionary"),
    "section-twice": (b'name = "A"\n[[server]]\ncontext = 1\n', 2, "server", "valid dictionary"),
    "bad-date": (b'name = "A"\nsummary = 2020-02-30\n', 2, "", "date"),
    "extends-nothing": (b'name = "A"\nextends = "nowhere"\n', 2, "extends", "no profile 'nowhere'"),
    "extends-number": (b'name = "A"\nextends = 5\n', 2, "extends", "id of a profile"),
    "hostile-key": (b'name = "A"\n"\\u001b[31m" = 1\n', None, "\u241b[31m", "unknown key"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_says_where_and_hides_no_other(shelf: Shelf, kind: str) -> None:
    content, line, key, what = BROKEN[kind]
    shelf.put("good", GOOD)
    path = shelf.put(kind, content)
    catalogue = shelf.load()
    assert [entry.id for entry in catalogue] == sorted(["good", kind])
    assert catalogue.get("good").profile is not None
    entry = catalogue.get(kind)
    assert entry.profile is None
    [problem] = entry.problems
    assert (problem.path, problem.key) == (path, key)
    assert what in problem.what
    if kind != "long-number":  # Python does not say where
        assert problem.line == line
    assert "\x1b" not in str(problem)
    with pytest.raises(StudioError, match=f"profile '{kind}' is broken"):
        entry.require()


@pytest.mark.parametrize(
    "name",
    ["two words", "-dash", "_under", "a" * 65, "semi;colon", "esc\x1b[31m", "ümlaut", "a\nb"],
)
def test_a_file_whose_name_is_no_id_is_shown_safely(shelf: Shelf, name: str) -> None:
    shelf.put("good", GOOD)
    shelf.put(name, GOOD)
    broken = [entry for entry in shelf.load() if entry.profile is None]
    assert len(broken) == 1
    assert "not a profile id" in broken[0].problems[0].what
    shown = broken[0].id + str(broken[0].problems[0])
    assert not set(shown) & {"\x1b", "\n"}


def test_a_name_that_is_not_utf_8_is_shown(shelf: Shelf) -> None:
    Path(os.fsdecode(os.fsencode(shelf.own) + b"/bad\xff.toml")).write_text(GOOD)
    [entry] = shelf.load()
    (entry.id + str(entry.problems[0])).encode("utf-8")


def test_a_folder_a_pipe_and_a_dangling_link_are_broken_profiles(shelf: Shelf) -> None:
    shelf.put("good", GOOD)
    (shelf.own / "folder.toml").mkdir()
    os.mkfifo(shelf.own / "pipe.toml")
    (shelf.own / "link.toml").symlink_to("nowhere.toml")
    (shelf.own / "endless.toml").symlink_to("/dev/zero")
    entries = {entry.id: entry for entry in shelf.load()}
    told = {id_: entry.problems[0].what for id_, entry in entries.items() if entry.problems}
    assert told == {
        "folder": "cannot be read: Is a directory.",
        "pipe": "is no regular file.",
        "link": "cannot be read: No such file or directory.",
        "endless": "is no regular file.",
    }
    assert entries["good"].profile is not None


def test_a_file_without_permission(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = shelf.put("locked", GOOD)
    shelf.put("good", GOOD)
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # the superuser reads all, so the refusal is made here
        real = Path.open

        def refuse(self: Path, *args: object) -> object:
            if self == locked:
                raise PermissionError(13, "Permission denied")
            return real(self, *args)  # type: ignore[call-overload]

        monkeypatch.setattr(Path, "open", refuse)
    catalogue = shelf.load()
    assert catalogue.get("locked").problems[0].what == "cannot be read: Permission denied."
    assert catalogue.get("good").profile is not None


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    own = tmp_path / "profiles"
    own.write_text("no folder")
    catalogue = Catalogue.load(own)
    [problem] = catalogue.get("profiles").problems
    assert str(problem) == f"{own}: cannot be read: Not a directory."
    assert catalogue.get("base").profile is not None
    assert "profiles" not in {entry.id for entry in Catalogue.load(tmp_path / "not there")}


def test_ids_that_differ_only_in_case(shelf: Shelf) -> None:
    shelf.put("GLM", GOOD)
    shelf.put("glm", GOOD)
    entries = list(shelf.load())
    assert [entry.profile is not None for entry in entries] == [True, False]
    assert "GLM.toml only in upper and lower case" in entries[1].problems[0].what


def test_what_editors_leave_behind_is_no_profile(shelf: Shelf) -> None:
    shelf.put("good", GOOD)
    (shelf.own / ".#good.toml").symlink_to("user@host.1234")
    for name in ("._good.toml", ".good.toml.x8f2k1", "good.toml~", "good.toml.bak"):
        (shelf.own / name).write_text("junk")
    assert [entry.id for entry in shelf.load()] == ["good"]


def test_no_folder_is_no_profiles(shelf: Shelf) -> None:
    assert list(Catalogue.load(shelf.own / "nowhere")) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda t: t.encode("utf-8", "surrogatepass")),
    )
)
@example(b"name = 'x'\nextends = 'subject'")
def test_any_bytes_are_an_entry(shelf: Shelf, content: bytes) -> None:
    entry = shelf.entry(content)
    assert (entry.profile is None) == bool(entry.problems)
    for problem in entry.problems:
        assert problem.where.startswith(str(shelf.own / "subject.toml"))


_KEYS = st.sampled_from(
    ["name", "tags", "extends", "model", "server", "engine", "client", "context", "args", "file",
     "gpus", "lora", "a.b", '"\\u001b"', '""', "sampling.top_k", "server.context"]
)  # fmt: skip
_VALUES = st.sampled_from(
    ["1", "-1", "1.5", "nan", "inf", '"x"', "[]", "[1, 'a']", "{}", "{ a = 1 }", "true", "[[]]",
     "2020-01-01", "07:32:00", "'''\n'''", "1_000_000_000_000_000_000_000", '"a\\u0000"']
)  # fmt: skip
_LINES = st.one_of(
    st.tuples(_KEYS, _VALUES).map(" = ".join), _KEYS.map("[{}]".format), _KEYS.map("[[{}]]".format)
)


@settings(max_examples=250)
@given(st.lists(_LINES, max_size=8).map("\n".join))
def test_any_values_are_an_entry(text: str) -> None:
    source = parse_source(Source("subject", Path("subject.toml"), False, 'name = "X"\n' + text))
    entry = Catalogue([source]).get("subject")
    assert isinstance(entry, Entry)
    assert (entry.profile is None) == bool(entry.problems)
    assert "\x1b" not in "".join(map(str, entry.problems))


# Inheritance


def test_values_come_down_a_chain_and_know_who_set_them(shelf: Shelf) -> None:
    shelf.put("root", 'name = "R"\n[server]\nparallel = 1\nubatch = 256\n[sampling]\ntop_k = 1')
    shelf.put("mid", 'name = "M"\nextends = "root"\ntags = ["m"]\n[server]\nubatch = 512\n')
    entry = shelf.entry('name = "S"\nextends = "mid"\n[server]\nbatch = 64\n')
    profile = entry.require()
    assert (profile.server.parallel, profile.server.ubatch, profile.server.batch) == (1, 512, 64)
    assert (profile.name, profile.tags) == ("S", [])
    setters = [entry.origin("server", key) for key in ("parallel", "ubatch", "batch", "threads")]
    assert setters == ["root", "mid", "subject", None]
    assert entry.origin("sampling", "top_k") == "root"


def test_a_list_takes_the_place_of_the_one_it_inherits(shelf: Shelf) -> None:
    shelf.put("base", 'name = "B"\n[server]\nargs = ["--no-warmup"]\n')
    entry = shelf.entry('name = "S"\nextends = "base"\n[server]\nargs = ["--metrics"]\n')
    assert entry.require().server.args == ["--metrics"]


def test_a_user_s_profile_takes_the_place_of_a_shipped_one(shelf: Shelf) -> None:
    shelf.put("glm", 'name = "Shipped"\n', shipped=True)
    assert shelf.load().get("glm").shipped
    own = shelf.entry('name = "Mine"\n', "glm")
    assert (own.require().name, own.shipped, own.overrides) == ("Mine", False, True)
    assert not shelf.entry('name = "Other"\n', "other").overrides


def test_a_broken_own_profile_does_not_let_the_shipped_one_through(shelf: Shelf) -> None:
    shelf.put("glm", 'name = "Shipped"\n', shipped=True)
    entry = shelf.entry("name = ", "glm")
    assert entry.profile is None
    assert entry.overrides


def test_a_user_s_profile_may_extend_the_shipped_one_of_its_own_id(shelf: Shelf) -> None:
    shelf.put("base", 'name = "B"\n[server]\nthreads = 4\n', shipped=True)
    shelf.put(
        "glm",
        'name = "S"\nextends = "base"\n[server]\ncontext = 4096\nparallel = 2\n',
        shipped=True,
    )
    entry = shelf.entry('name = "M"\nextends = "glm"\n[server]\ncontext = 8192\n', "glm")
    server = entry.require().server
    assert (server.context, server.parallel, server.threads) == (8192, 2, 4)
    # Which of the two it was has to be told.
    assert entry.origin("server", "context") == "glm"
    assert entry.origin("server", "parallel") == "glm (shipped)"


def test_a_shipped_profile_extends_what_ships(shelf: Shelf) -> None:
    """A user's own `base` must not change what the shipped profiles are."""
    shelf.put("base", 'name = "B"\n[server]\nparallel = 1\n', shipped=True)
    shelf.put("glm", 'name = "G"\nextends = "base"\n', shipped=True)
    shelf.put("base", 'name = "Mine"\n[server]\nparallel = 8\n')
    assert shelf.load().get("glm").require().server.parallel == 1
    assert shelf.entry('name = "S"\nextends = "base"\n').require().server.parallel == 8


@pytest.mark.parametrize(
    ("parents", "told"),
    [
        ({"a": "a"}, "a → a"),
        ({"a": "b", "b": "a"}, "a → b → a"),
        ({"a": "b", "b": "c", "c": "a"}, "a → b → c → a"),
        ({"a": "b", "b": "c", "c": "b"}, "b → c → b"),
    ],
)
def test_a_circle_is_shown(shelf: Shelf, parents: dict[str, str], told: str) -> None:
    for id_, parent in parents.items():
        shelf.put(id_, f'name = "{id_}"\nextends = "{parent}"\n')
    [problem] = shelf.load().get("a").problems
    assert problem.what == f"goes in a circle: {told}."
    assert (problem.key, problem.line) == ("extends", 2)


def test_an_unknown_parent_gets_a_suggestion_at_the_file_that_names_it(shelf: Shelf) -> None:
    shelf.put("base", GOOD, shipped=True)
    middle = shelf.put("middle", '\nname = "M"\nextends = "bsae"\n')
    entry = shelf.entry('name = "S"\nextends = "middle"\n')
    for each in (entry, shelf.load().get("middle")):
        [problem] = each.problems
        assert (problem.path, problem.line) == (middle, 3)
        assert problem.hint == "Did you mean 'base'?"


def test_a_parent_that_cannot_be_read_is_named(shelf: Shelf) -> None:
    shelf.put("base", "name = \n")
    [problem] = shelf.entry('name = "S"\nextends = "base"\n').problems
    assert "'base' is broken" in problem.what


def test_a_mistake_in_an_inherited_value_is_told_where_it_stands(shelf: Shelf) -> None:
    base = shelf.put("base", 'name = "B"\n\n[server]\n\ncontext = "big"\n')
    entry = shelf.entry('name = "S"\nextends = "base"\n[server]\nparallel = 0\n')
    where = {problem.key: (problem.path, problem.line) for problem in entry.problems}
    assert where == {
        "server.context": (base, 5),
        "server.parallel": (shelf.own / "subject.toml", 4),
    }


def test_a_mistake_that_a_child_sets_right_does_no_harm(shelf: Shelf) -> None:
    shelf.put("base", 'name = "B"\n[server]\ncontext = "big"\n')
    entry = shelf.entry('name = "S"\nextends = "base"\n[server]\ncontext = 4096\n')
    assert entry.require().server.context == 4096


def test_an_unknown_id_gets_a_suggestion(shelf: Shelf) -> None:
    shelf.put("glm-flash-q4", GOOD)
    with pytest.raises(NotFound) as error:
        shelf.load().get("glm-flsh-q4")
    assert error.value.hint == "Did you mean 'glm-flash-q4'?"
    with pytest.raises(NotFound) as error:
        shelf.load().get("\x1b[2J")
    assert "\x1b" not in error.value.what

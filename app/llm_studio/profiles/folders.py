"""Where profile files are. Apart, and light, so that completion in the shell is instant."""

from __future__ import annotations

from pathlib import Path


def shipped_folder() -> Path:
    """The profiles that come with the program: in the package, or in a checkout."""
    packaged = Path(__file__).parent / "shipped"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "profiles"


def files_in(folder: Path) -> list[Path]:
    """The profile files of a folder; none where it cannot be read. What editors hide is none."""
    try:
        return sorted(path for path in folder.glob("*.toml") if not path.name.startswith("."))
    except OSError:
        return []


def profile_paths(own: Path) -> list[Path]:
    """All profile files, the user's own first."""
    return [*files_in(own), *files_in(shipped_folder())]

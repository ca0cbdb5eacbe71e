"""Makes the pictures in screenshots/ from the running program."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from llm_studio.tui import colours
from screenshots.machine import Workstation
from screenshots.scenes import SCENES, Scene
from screenshots.stage import frame_of, shown, workstation
from screenshots.svg import Frame, Window, moving, still
from screenshots.tour import tour

FOLDER = Path(__file__).parent
WIDE, NARROW = (140, 42), (80, 24)
PALETTES = {"dark": colours.DARK, "light": colours.LIGHT}
LABEL = "example data"


@dataclass(frozen=True, slots=True)
class Shot:
    """A scene in a terminal of one size, in one or both themes."""

    scene: Scene
    size: tuple[int, int]
    themes: tuple[str, ...]

    @property
    def pictures(self) -> dict[str, str]:
        """The themes, by the pictures' names."""
        size = "-narrow" if self.size == NARROW else ""
        return {f"{self.scene.name}-{theme}{size}": theme for theme in self.themes}

    async def make(self, machine: Workstation, folder: Path) -> None:
        window = Window(f"llm-studio · {LABEL}", *self.size)
        async with shown(machine, size=self.size, bare=self.scene.bare) as (studio, look):
            await self.scene.play(studio, look)
            for name, theme in self.pictures.items():
                look.app.theme = theme
                await look.pilot.pause(0.3)  # what is drawn a moment later than asked for
                palette = PALETTES[theme]
                picture = still(frame_of(look, palette), window, palette)
                (folder / f"{name}.svg").write_text(picture)


@dataclass(frozen=True, slots=True)
class Film:
    """The tour, as a picture that moves."""

    name: str = "tour"
    size: tuple[int, int] = (120, 32)

    @property
    def pictures(self) -> dict[str, str]:
        return {f"{self.name}-dark": "dark"}

    async def make(self, machine: Workstation, folder: Path) -> None:
        frames: list[Frame] = []
        async with shown(machine, size=self.size, bare=False) as (studio, look):
            async for seconds in tour(studio, look):
                await look.pilot.pause(0.1)
                frames.append(frame_of(look, colours.DARK, seconds))
        window = Window(f"llm-studio · {LABEL}", *self.size)
        picture = moving(frames, window, colours.DARK)
        (folder / f"{self.name}-dark.svg").write_text(picture)


SHOTS: list[Shot | Film] = [
    Film(),
    *(
        Shot(scene, size, themes)
        for scene in SCENES
        for size, themes in ((WIDE, ("dark", "light")), (NARROW, ("dark",)))
    ),
]
NAMES = [name for shot in SHOTS for name in shot.pictures]


def make(names: Collection[str] = NAMES, folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, workstation(Path(home)) as machine:
        for shot in SHOTS:
            if not shot.pictures.keys().isdisjoint(names):
                asyncio.run(shot.make(machine, folder))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m screenshots", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="like monitor-light")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="write them there instead")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no picture {', '.join(sorted(unknown))}")
    make(options.names or NAMES, options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

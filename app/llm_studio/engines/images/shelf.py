"""What is remembered of images: which is in use, which was before, and how their tests went.

One small file that every command of this home reads and writes, so that images can be changed
whether a studio runs or not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from llm_studio.engines.base import EngineError
from llm_studio.schema import ImageCheck
from llm_studio.storage import write_atomically

Origin = Literal["pulled", "built", "found"]


class Kept(BaseModel):
    """One image, by its id."""

    name: str
    """What it was called when it came here; the tag may mean another one by now."""
    origin: Origin = "found"
    since: float = Field(default_factory=time.time)
    check: ImageCheck | None = None

    @field_validator("origin", "check", mode="wrap")
    @classmethod
    def _of_another_release(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, told: ValidationInfo
    ) -> Any:
        """What only a later release understands is unknown here; the image can be used all the
        same."""
        try:
            return handler(value)
        except ValidationError:
            return "found" if told.field_name == "origin" else None


class Content(BaseModel):
    in_use: str | None = None
    before: str | None = None
    images: dict[str, Kept] = {}


class Shelf:
    """The file `images.json` in the state folder."""

    def __init__(self, state: Path) -> None:
        self._path = state / "images.json"
        self._lock = state / "images.lock"

    def read(self) -> Content:
        try:
            return Content.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Content()
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else "It is damaged."
            raise EngineError(
                f"Cannot read {self._path}", why=why or str(error),
                hint="Remove it, then choose again:  llm-studio image use NAME",
            ) from error  # fmt: skip

    def add(self, id_: str, name: str, origin: Origin) -> None:
        """Remember an image that came here."""
        with self.change() as content:
            check = content.images[id_].check if id_ in content.images else None
            content.images[id_] = Kept(name=name, origin=origin, check=check)

    def use(self, id_: str, name: str, before: str | None = None) -> None:
        """Take an image into use; `before` is what was used so far without having been chosen."""
        with self.change() as content:
            content.images.setdefault(id_, Kept(name=name))
            if content.in_use != id_:
                content.in_use, content.before = id_, content.in_use or before
            if content.before == id_:
                content.before = None

    def checked(self, id_: str, name: str, check: ImageCheck) -> None:
        with self.change() as content:
            content.images.setdefault(id_, Kept(name=name)).check = check

    @contextlib.contextmanager
    def change(self) -> Iterator[Content]:
        """The content, written back at the end; nobody else changes it meanwhile."""
        with self._alone():
            content = self.read()
            yield content
            write_atomically(self._path, content.model_dump_json(indent=2), mode=0o600)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EngineError(f"Cannot write {self._lock}", why=error.strerror or "") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

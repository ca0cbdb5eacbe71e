"""The routes of profiles: one in full, what if, and the changes that people make to them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from llm_studio.schema import ModelFileSummary, ProfileDetail, ProfileSummary
from llm_studio.studio.shelf import Shelf, Wish

CacheType = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,12}$")]


class NewProfile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    file: Annotated[str, Field(min_length=1, max_length=4096)]
    id: Annotated[str, Field(max_length=64)] = ""
    """Unset: after the file."""


class Copy(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    id: Annotated[str, Field(max_length=64)] = ""


class Trashed(BaseModel):
    path: str


def profile_routes(shelf: Shelf) -> APIRouter:
    """All of them; the disk is read and written in threads."""
    router = APIRouter()

    @router.get("/profiles/{id_}", summary="One profile: values, memory, command, findings")
    async def detail(
        id_: str,
        context: Annotated[int | None, Query(ge=1, le=1 << 40, description="what if")] = None,
        cache_type: Annotated[CacheType | None, Query(description="what if")] = None,
    ) -> ProfileDetail:
        wish = Wish(context, cache_type)
        return await asyncio.to_thread(shelf.detail, id_, wish if wish != Wish() else None)

    @router.get("/files", summary="Model files that no profile names")
    async def files() -> list[ModelFileSummary]:
        return await asyncio.to_thread(shelf.files_without_profile)

    @router.post("/profiles", summary="A first profile for a model file", status_code=201)
    async def create(body: NewProfile) -> ProfileSummary:
        return await asyncio.to_thread(shelf.create, body.file, body.id)

    @router.post("/profiles/{id_}/copy", summary="Copy a profile", status_code=201)
    async def copy(id_: str, body: Copy) -> ProfileSummary:
        return await asyncio.to_thread(shelf.duplicate, id_, body.id)

    @router.patch("/profiles/{id_}", summary='Set values by key, like "server.context"')
    async def change(id_: str, body: dict[str, Any]) -> ProfileSummary:
        return await asyncio.to_thread(shelf.change, id_, body)

    @router.delete("/profiles/{id_}", summary="Move a profile to the trash folder")
    async def trash(id_: str) -> Trashed:
        return Trashed(path=str(await asyncio.to_thread(shelf.throw_away, id_)))

    return router

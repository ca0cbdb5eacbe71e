"""The routes of downloads, and of the hub that they come from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from llm_studio.schema import HubRepository, JobStatus
from llm_studio.server.job_status import job_status
from llm_studio.studio.studio import Studio

Name = Annotated[str, Field(min_length=1, max_length=400)]


class DownloadRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    what: Name
    """A profile's id, or OWNER/NAME:QUANTISATION."""


def hub_routes(studio: Studio) -> APIRouter:
    routes = APIRouter(tags=["downloads"])
    downloads = studio.downloads

    @routes.post("/downloads", summary="Fetch a model", status_code=202)
    async def get(body: DownloadRequest) -> JobStatus:
        return job_status(await downloads.get(body.what))

    @routes.get("/hub/search", summary="Repositories with GGUF files, the most fetched first")
    async def search(
        words: Annotated[str, Query(min_length=1, max_length=200)],
    ) -> list[HubRepository]:
        return await downloads.search(words)

    @routes.get("/hub/offers", summary="What a repository has, by quantisation")
    async def offers(
        repository: Annotated[str, Query(min_length=1, max_length=400)],
    ) -> HubRepository:
        return await downloads.offers(repository)

    return routes

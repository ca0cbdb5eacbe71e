"""The routes of container images."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from llm_studio.engines.images.stock import doubts
from llm_studio.schema import ImageListing, ImagesRemoved, ImageUsed, JobStatus
from llm_studio.server.job_status import job_status
from llm_studio.studio.studio import Studio

Name = Annotated[str, Field(max_length=400)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PerhapsImage(_Body):
    image: Name = ""
    """Nothing: to pull, the one that fits this machine; to test, the one in use."""


class BuildRequest(_Body):
    variant: Annotated[str, Field(max_length=40)] = ""
    """Nothing: the one that fits this machine."""
    arguments: Annotated[dict[str, Annotated[str, Field(max_length=400)]], Field(max_length=20)] = (
        Field(default_factory=dict)
    )
    name: Name = ""


class ImageRequest(_Body):
    image: Annotated[str, Field(min_length=1, max_length=400)]


def image_routes(studio: Studio) -> APIRouter:
    routes = APIRouter(prefix="/images", tags=["images"])
    images = studio.images

    @routes.get("", summary="Images of llama.cpp here, the one in use, and what fits this machine")
    async def listing() -> ImageListing:
        return await images.listing()

    @routes.post("/pull", summary="Get an image from its registry", status_code=202)
    async def pull(body: PerhapsImage) -> JobStatus:
        return job_status(await images.pull(body.image))

    @routes.post("/build", summary="Make an image from a Dockerfile of ours", status_code=202)
    async def build(body: BuildRequest) -> JobStatus:
        return job_status(await images.build(body.variant, body.arguments, body.name))

    @routes.post("/check", summary="Test an image before it is used", status_code=202)
    async def check(body: PerhapsImage) -> JobStatus:
        return job_status(await images.check(body.image))

    @routes.post("/use", summary="Engines run this image from their next start on")
    async def use(body: ImageRequest) -> ImageUsed:
        found = await asyncio.to_thread(images.stock.use, body.image)
        return ImageUsed(image=found, warnings=doubts(found, studio.settings))

    @routes.post("/rollback", summary="Back to the image that was in use before")
    async def rollback() -> ImageUsed:
        found = await asyncio.to_thread(images.stock.rollback)
        return ImageUsed(image=found, warnings=doubts(found, studio.settings))

    @routes.post("/prune", summary="Remove images that are no longer needed")
    async def prune() -> ImagesRemoved:
        return await images.prune()

    return routes

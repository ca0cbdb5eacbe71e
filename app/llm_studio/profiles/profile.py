"""The profile: how one model is to be served."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from llm_studio.profiles.field import Section, setting
from llm_studio.profiles.server import (
    ModelPath,
    Positive,
    Sampling,
    ServerSettings,
    Text,
    plain,
)

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*")


def _repository(text: str) -> str:
    if not _REPOSITORY.fullmatch(text) or ".." in text:
        raise ValueError('expected a repository like "unsloth/GLM-4.7-Flash-GGUF"')
    return text


def _image(text: str) -> str:
    plain(text)
    if not text or text.startswith("-") or " " in text:
        raise ValueError("expected the name of a container image")
    return text


Repository = Annotated[str, AfterValidator(_repository)]


class ModelSection(Section):
    """[model]: the model file, and where to get it."""

    file: ModelPath | None = setting(
        "The model file, below a models folder; the first shard stands for all."
    )
    repo: Repository | None = setting("The hub's repository that `llm-studio get` fetches it from.")
    mmproj: ModelPath | None = setting("The projector for images or audio, below a models folder.")
    draft: ModelPath | None = setting("A small model of the same family that guesses tokens ahead.")
    draft_repo: Repository | None = setting("The repository of the draft model.")


class EngineSection(Section):
    """[engine]: what runs llama.cpp."""

    kind: Literal["auto", "docker", "process", "external"] | None = setting(
        '"auto" (docker where it is there, else process), "docker", "process" or "external".'
    )
    image: Annotated[str, AfterValidator(_image)] | None = setting(
        "The container image, instead of the one in use."
    )
    gpus: Literal["all", "none"] | list[Text | Annotated[int, Field(ge=0)]] | None = setting(
        'GPUs that the engine may see: "all", "none", or a list of indexes or UUIDs.'
    )
    network: Literal["open", "closed"] | None = setting(
        '"closed": the container reaches this machine and nothing beyond it. Needs Docker on Linux.'
    )
    url: Text | None = setting('The address of an engine of kind "external".')
    model: Text | None = setting(
        'The model that an engine of kind "external" is asked for; else the first that it lists.'
    )
    key_file: Text | None = setting(
        'A file with the key that an engine of kind "external" wants; keys stand in no profile.'
    )

    @model_validator(mode="after")
    def _address_for_external(self) -> Self:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url must begin with http:// or https://")
        return self

    @model_validator(mode="after")
    def _network_of_containers(self) -> Self:
        if self.network == "closed" and self.kind in ("process", "external"):
            raise ValueError(f'network = "closed" needs a container, and the kind is {self.kind!r}')
        return self


class ClientSection(Section):
    """[client]: what clients of the model should send."""

    system_prompt: str | None = setting("The system prompt of a new conversation.")
    reasoning_levels: list[Text] | None = setting(
        'Levels of reasoning that the model knows, like ["low", "medium", "high"].'
    )
    reasoning_level: Text | None = setting("The level to begin with.")
    reasoning_prompt: Text | None = setting(
        'How the level is told in the system prompt, like "Reasoning: {level}".'
    )

    @model_validator(mode="after")
    def _known_level(self) -> Self:
        levels = self.reasoning_levels
        if self.reasoning_level and levels and self.reasoning_level not in levels:
            raise ValueError(
                f"reasoning_level {self.reasoning_level!r} is not one of reasoning_levels"
            )
        return self


class BenchSection(Section):
    """[bench]: what changes while the model is benchmarked."""

    context: Positive | None = setting(
        "`server.context` while quality is measured; speed is measured with the profile's own."
    )
    max_tokens: Positive | None = setting("Longest answer in a benchmark.")
    temperature: Annotated[float, Field(ge=0, le=5)] | None = setting(
        "Temperature in a benchmark (0: greedy)."
    )
    system_prompt: str | None = setting("System prompt in a benchmark.")
    reasoning_level: Text | None = setting("Level of reasoning in a benchmark.")
    reasoning_format: Literal["auto", "none", "deepseek", "deepseek-legacy"] | None = setting(
        "Where thoughts go in a benchmark."
    )


class Profile(Section):
    """How one model is to be served; its id is the stem of its file."""

    name: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(plain)]
    summary: Annotated[str, Field(max_length=200), AfterValidator(plain)] = ""
    tags: list[Text] = Field(default_factory=list)
    extends: Text | None = None
    model: ModelSection = Field(default_factory=ModelSection)
    engine: EngineSection = Field(default_factory=EngineSection)
    server: ServerSettings = Field(default_factory=ServerSettings)
    sampling: Sampling = Field(default_factory=Sampling)
    client: ClientSection = Field(default_factory=ClientSection)
    bench: BenchSection = Field(default_factory=BenchSection)

    @model_validator(mode="after")
    def _something_to_serve(self) -> Self:
        if self.engine.kind == "external" and not self.engine.url:
            raise ValueError('an engine of kind "external" needs its url in [engine]')
        return self

    @property
    def servable(self) -> bool:
        """A profile without a model only lends its values to others."""
        return self.model.file is not None or self.engine.kind == "external"


SECTIONS: dict[str, type[Section]] = {
    "model": ModelSection,
    "engine": EngineSection,
    "server": ServerSettings,
    "sampling": Sampling,
    "client": ClientSection,
    "bench": BenchSection,
}

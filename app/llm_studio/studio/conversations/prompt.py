"""What an engine is asked: the messages of a path, and the settings that hold for them."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from llm_studio.errors import UsageError
from llm_studio.profiles.profile import ClientSection, Profile
from llm_studio.profiles.server import Sampling
from llm_studio.schema_chat import ChatSetting, ChatSettings
from llm_studio.studio.conversations.message import Attachment, Message

Pictures = Callable[[str], Awaitable[bytes]]
Body = dict[str, Any]

_RENAMED = {"mirostat_lr": "mirostat_eta", "mirostat_ent": "mirostat_tau"}
_STANDARD = frozenset(
    {"temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "max_tokens"}
)
"""Samplers that servers other than llama.cpp's know."""
_FIRST = (
    "system_prompt", "reasoning_level", "temperature", "top_k", "top_p", "min_p", "seed",
    "max_tokens", "json_schema", "grammar",
)  # fmt: skip
"""What people change, before what only few do."""
_OFF = frozenset({"off", "none"})
"""Levels that mean no thoughts at all."""
SUMMARISE = (
    "Summarise our conversation so far, for yourself to go on from it: what was asked, what was "
    "found and decided, names, figures and code that are still needed. Write only the summary."
)
_SUMMARY = "Summary of the conversation so far:\n\n"


def checked(settings: ChatSettings) -> ChatSettings:
    """Settings as they may be kept; raises what is wrong with them."""
    known = {key: value for key, value in settings.sampling.items() if value is not None}
    try:
        Sampling.model_validate(known)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        raise UsageError("These settings cannot be", why=f"{where}: {first['msg']}.") from error
    if settings.json_schema is not None and settings.grammar:
        raise UsageError("A JSON schema and a grammar exclude each other")
    return settings.model_copy(update={"sampling": known})


def effective(profile: Profile | None, settings: ChatSettings) -> dict[str, Any]:
    """The settings that hold, by name: the profile's, and over them the conversation's."""
    found: dict[str, Any] = {}
    client = profile.client if profile else ClientSection()
    if profile:
        found |= profile.sampling.model_dump(exclude_none=True)
    found |= settings.sampling
    system = client.system_prompt if settings.system_prompt is None else settings.system_prompt
    level = settings.reasoning_level or client.reasoning_level
    extra = {
        "system_prompt": system, "reasoning_level": level,
        "json_schema": settings.json_schema, "grammar": settings.grammar,
    }  # fmt: skip
    return found | {key: value for key, value in extra.items() if value}


def explained(profile: Profile | None, settings: ChatSettings) -> list[ChatSetting]:
    """Each setting, its value and who set it."""
    held = effective(profile, settings)
    own = {*settings.sampling}
    own |= {key for key in ("system_prompt", "reasoning_level", "json_schema", "grammar")
            if getattr(settings, key) is not None}  # fmt: skip
    docs = {key: field.description or "" for key, field in Sampling.model_fields.items()}
    docs |= {
        "system_prompt": "What the model is told before everything else.",
        "reasoning_level": "How much the model thinks.",
        "json_schema": "Answers are JSON of this schema.",
        "grammar": "Answers are of this grammar (GBNF).",
    }
    order = dict.fromkeys([*_FIRST, *Sampling.model_fields])
    return [
        ChatSetting(
            key=key,
            value=held.get(key),
            origin="conversation" if key in own else "profile" if key in held else "engine",
            doc=docs.get(key, ""),
        )
        for key in order
    ]


def since_summary(path: list[Message]) -> list[Message]:
    """The part of a path that is sent: from its last summary on."""
    starts = [at for at, each in enumerate(path) if each.role == "summary" and each.text.length]
    return path[starts[-1] :] if starts else path


async def messages_of(
    path: Iterable[Message], held: Mapping[str, Any], profile: Profile | None, pictures: Pictures
) -> list[dict[str, Any]]:
    """The messages as an engine takes them."""
    system = str(held.get("system_prompt", ""))
    told = profile.client.reasoning_prompt if profile else None
    level = held.get("reasoning_level")
    if level and told:
        system = "\n\n".join(filter(None, (system, told.replace("{level}", str(level)))))
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for each in path:
        if each.role == "summary":
            messages.append({"role": "user", "content": _SUMMARY + str(each.text)})
        elif each.role == "assistant":
            # An answer that never came is no answer; a template may want turns to alternate.
            if each.text.length:
                messages.append({"role": "assistant", "content": str(each.text)})
        else:
            messages.append({"role": "user", "content": await _content(each, pictures)})
    return _alternating(messages)


def _alternating(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two messages of the same side become one, for many templates know no others."""
    joined: list[dict[str, Any]] = []
    for each in messages:
        before = joined[-1] if joined else None
        if before and before["role"] == each["role"] != "system":
            before["content"] = _joined(before["content"], each["content"])
        else:
            joined.append(each)
    return joined


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_as_parts(first), *_as_parts(second)]


def _as_parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


async def _content(message: Message, pictures: Pictures) -> Any:
    texts = [_file(each) for each in message.attachments if each.text is not None]
    text = "\n\n".join([*texts, str(message.text)])
    seen = [each for each in message.attachments if each.text is None]
    if not seen:
        return text
    parts: list[dict[str, Any]] = []
    for each in seen:
        data = base64.b64encode(await pictures(each.picture)).decode()
        parts.append(
            {"type": "image_url", "image_url": {"url": f"data:{each.media};base64,{data}"}}
        )
    return [*parts, {"type": "text", "text": text}]


def _file(attachment: Attachment) -> str:
    """A file within the prompt, between fences that its own text does not hold."""
    text = attachment.text or ""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{attachment.name}:\n{fence}\n{text}\n{fence}"


def request_body(held: Mapping[str, Any], profile: Profile | None, *, llama: bool) -> Body:
    """Everything of a request but its messages."""
    body: Body = {"stream": True, "stream_options": {"include_usage": True}}
    for key in Sampling.model_fields:
        if key in held and (llama or key in _STANDARD):
            body[_RENAMED.get(key, key)] = held[key]
    if body.get("max_tokens") == -1:
        del body["max_tokens"]
    if llama:
        body |= {"timings_per_token": True, "return_progress": True, "cache_prompt": True}
    level = held.get("reasoning_level")
    if level and not (profile and profile.client.reasoning_prompt):
        if str(level).lower() in _OFF:
            body["chat_template_kwargs"] = {"enable_thinking": False}
        elif llama:
            body["chat_template_kwargs"] = {"reasoning_effort": level}
        else:
            body["reasoning_effort"] = level
    if "json_schema" in held:
        schema = {"name": "answer", "schema": held["json_schema"], "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if "grammar" in held and llama:
        body["grammar"] = held["grammar"]
    return body

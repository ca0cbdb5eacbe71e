"""What there is to know before something is said: who would answer, how, and how much fits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from llm_studio.errors import StudioError
from llm_studio.profiles.profile import Profile
from llm_studio.schema_chat import ChatFacts, ChatSettings, TokenCount
from llm_studio.studio.conversations import prompt
from llm_studio.studio.conversations.conversation import Conversation
from llm_studio.studio.conversations.engine import Abilities, Engines
from llm_studio.studio.serving.desk import Target
from llm_studio.studio.serving.reception import Reception

CHARACTERS = 4
"""Of which a token has about so many, where no tokenizer can be asked."""


class Outlook:
    def __init__(
        self,
        reception: Reception,
        engines: Engines,
        *,
        profile: Callable[[str], Profile | None],
        last: Callable[[], str],
        state: Callable[[], str],
    ) -> None:
        """`profile` reads one, in a thread; `last` is the profile that is served, or was."""
        self._reception = reception
        self._engines = engines
        self._profile = profile
        self._last = last
        self._state = state

    async def profile(self, id_: str) -> Profile | None:
        return await asyncio.to_thread(self._profile, id_) if id_ else None

    async def facts(self, conversation: Conversation | None, profile: str = "") -> ChatFacts:
        """What holds before a message is sent."""
        target = self._target(profile)
        abilities = await self._engines.abilities(target) if target else Abilities()
        name = target.profile if target else profile or self._last()
        if not name and conversation is not None:
            name = conversation.summary().profile
        found = await self.profile(name)
        settings = conversation.settings if conversation else ChatSettings()
        return ChatFacts(
            profile=name,
            ready=target is not None,
            state=self._state(),
            context=abilities.context,
            vision=abilities.vision,
            levels=list(found.client.reasoning_levels or ()) if found else [],
            settings=prompt.explained(found, settings),
        )

    async def count(self, text: str, profile: str = "") -> TokenCount:
        """Tokens of a text, by the model that is served; a guess where none can be asked."""
        target = self._target(profile)
        if target is not None:
            found = await self._engines.count(target, text)
            if found is not None:
                return TokenCount(tokens=found, exact=True)
        return TokenCount(tokens=-(-len(text) // CHARACTERS), exact=False)

    def _target(self, profile: str) -> Target | None:
        try:
            return self._reception.glance(profile)
        except StudioError:
            return None

"""A profile that asks for a closed network gets no engine that has none."""

from __future__ import annotations

import pytest
from tests.conftest import Home
from tests.studio.scripted import ScriptedEngine

from llm_studio.errors import NotReady
from llm_studio.settings import load_settings
from llm_studio.studio.serving.prepare import Preparation


@pytest.mark.anyio
async def test_no_process_stands_in_for_a_closed_container(home: Home) -> None:
    home.model()
    model = '[model]\nfile = "tiny.gguf"\n'
    home.profile("open", f'name = "Open"\n{model}')
    home.profile("closed", f'name = "Closed"\n{model}[engine]\nnetwork = "closed"\n')
    prepare = Preparation(load_settings(), {"process": ScriptedEngine()})
    assert (await prepare("open", returns=None)).engine
    with pytest.raises(NotReady, match="No engine can be used"):
        await prepare("closed", returns=None)

"""A slow link is spared: said in the header, fewer readings drawn, no animation."""

from __future__ import annotations

import pytest
from tests.tui.looking import opened
from tests.tui.monitoring import AT, GiB, gpu, sample
from tests.tui.scripted_studio import ScriptedStudio

from llm_studio.tui.app import SPARSE, StudioApp
from llm_studio.tui.output.pace import Pace

pytestmark = pytest.mark.anyio


async def test_a_slow_link_is_spared_and_a_fast_one_is_not(
    studio: ScriptedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = Pace()
    monkeypatch.setattr(StudioApp, "pace", pace)

    def reads(second: int) -> None:
        used = gpu(0, memory_used=second * GiB)
        studio.tell("sample", {**sample(used, at=AT + second), "seq": second})

    async with opened(studio, size=(120, 40)) as look:
        level = look.app.animation_level
        await look.press("2")
        reads(1)
        await look.until("1.0 of 24.0 GiB")
        assert "slow link" not in look.text
        pace.slow = True
        for second in range(SPARSE + 1, 2 * SPARSE):
            reads(second)
        await look.until("slow link")
        await look.until(lambda: look.app.view.sample["seq"] == 2 * SPARSE - 1)  # type: ignore[index]
        assert "1.0 of 24.0 GiB" in look.text  # none of them was drawn
        assert look.app.animation_level == "none"
        reads(2 * SPARSE)
        await look.until(f"{2 * SPARSE}.0 of 24.0 GiB")
        pace.slow = False
        reads(2 * SPARSE + 1)
        await look.until(f"{2 * SPARSE + 1}.0 of 24.0 GiB")
        assert "slow link" not in look.text
        assert look.app.animation_level == level

"""The actions that are deeds: each by its name, done in the background."""

from __future__ import annotations

from llm_studio.tui.pane import Pane
from llm_studio.tui.panes.chat.deeds import Deeds
from llm_studio.tui.panes.chat.taking import Taking
from llm_studio.tui.panes.chat.transcript import Transcript


class Acting(Pane):
    deeds: Deeds
    taking: Taking

    def possible(self, action: str) -> bool:
        return self.deeds.possible(action)

    def action_open(self) -> None:
        self.studio.do(self.deeds.choose())

    def action_regenerate(self) -> None:
        self.studio.do(self.deeds.regenerate())

    def action_edit(self) -> None:
        self.deeds.edit()

    def action_resume(self) -> None:
        self.studio.do(self.deeds.resume())

    def action_branch(self) -> None:
        self.studio.do(self.deeds.branch())

    def action_sibling(self, step: int) -> None:
        self.studio.do(self.deeds.sibling(step))

    def action_fold(self) -> None:
        self.query_one("#main", Transcript).fold()

    def action_copy(self) -> None:
        self.taking.copy()

    def action_copy_code(self) -> None:
        self.studio.do(self.taking.copy_code())

    def action_save_code(self) -> None:
        self.studio.do(self.taking.save_code())

    def action_external(self) -> None:
        self.studio.do(self.taking.external())

    def action_attach(self) -> None:
        self.studio.do(self.taking.attach())

    def action_settings(self) -> None:
        self.studio.do(self.deeds.settings())

    def action_compare(self) -> None:
        self.studio.do(self.deeds.compare())

    def action_summarise(self) -> None:
        self.studio.do(self.deeds.summarise())

    def action_rename(self) -> None:
        self.studio.do(self.deeds.rename())

    def action_export(self) -> None:
        self.studio.do(self.taking.export())

    def action_remove(self) -> None:
        self.studio.do(self.deeds.remove())

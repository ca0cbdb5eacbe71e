"""Every page that is made, by its file's name."""

from __future__ import annotations

from llm_studio.documents import command_page, http_page, manual, profile_page, setting_page
from llm_studio.engines import failures
from llm_studio.tui import actions

PAGES = {
    "cli.md": command_page.page,
    "failures.md": failures.page,
    "http-api.md": http_page.page,
    "keys.md": actions.reference,
    "llm-studio.1": manual.page,
    "profiles.md": profile_page.page,
    "settings.md": setting_page.page,
}

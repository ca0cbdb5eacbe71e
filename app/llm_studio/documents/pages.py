"""Every page that is made, by its file's name."""

from __future__ import annotations

from llm_studio.documents.command_page import page as commands
from llm_studio.documents.http_page import page as http
from llm_studio.documents.manual import page as manual
from llm_studio.documents.profile_page import page as profiles
from llm_studio.documents.setting_page import page as settings
from llm_studio.engines.failures import page as failures
from llm_studio.tui.actions import reference as keys

PAGES = {
    "cli.md": commands,
    "failures.md": failures,
    "http-api.md": http,
    "keys.md": keys,
    "llm-studio.1": manual,
    "profiles.md": profiles,
    "settings.md": settings,
}

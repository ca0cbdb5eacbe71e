"""The API against its own document, with whatever may be sent: never an inner error."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from tests.conftest import Home

from llm_studio.server.api import create_api
from llm_studio.settings import load_settings
from llm_studio.studio.studio import Studio


def test_no_input_is_a_server_error(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")  # nothing goes out
    home.model()
    home.profile("one", 'name = "One"\n[model]\nfile = "tiny.gguf"\n')
    api = create_api(Studio(load_settings(), {}), shut_down=lambda: None)
    schema: Any = schemathesis.openapi.from_asgi("/openapi.json", api)
    asked = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        if streams(operation.definition.raw):
            continue  # a stream has no end to wait for
        if operation.path.startswith("/images"):
            continue  # they would pull and build with the Docker of this machine
        asked.add(operation.path)

        @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: Case[Any]) -> None:
            if case.query and "wait" in case.query:
                case.query["wait"] = "0"  # nobody waits here
            case.call_and_validate(checks=[not_a_server_error])

        check()
    assert {"/switch", "/stop", "/logs", "/jobs/{id_}/cancel"} <= asked


def streams(definition: dict[str, Any]) -> bool:
    """Whether it answers with events: those have no shape in the document."""
    answers = definition["responses"].items()
    return all(not answer.get("content") for code, answer in answers if code.startswith("2"))

"""What every field of a profile carries: its documentation and how it reaches llama-server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Form = Literal["value", "switch", "on-off", "presence", "list", "repeated", "json", "none"]
"""How a value becomes arguments:

    value      --flag VALUE
    switch     --flag, or --no-flag
    on-off     --flag on, or --flag off
    presence   --flag where true, nothing where false
    list       --flag A,B,C
    repeated   --flag A,B; on a command line it may stand several times
    json       --flag '{"a": 1}'
    none       nothing: llm-studio acts on it itself
"""


@dataclass(frozen=True, slots=True)
class Flag:
    """The llama-server argument of a field, and the argument that says the opposite."""

    name: str
    form: Form = "value"
    negative: str = ""
    renamed_from: tuple[str, ...] = ()
    """Other spellings that users know; they are suggested back to the field."""

    def __call__(self, schema: dict[str, Any]) -> None:
        """Tells the JSON schema of the field which argument it becomes."""
        schema["x-llama-server"] = self.name


class Section(BaseModel):
    """A table of a profile. Unknown keys are errors, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def setting(doc: str, flag: Flag | None = None, **constraints: Any) -> Any:
    """A field that may be left out, with its documentation and its flag."""
    return Field(default=None, description=doc, json_schema_extra=flag, **constraints)


def flag_of(field: FieldInfo) -> Flag | None:
    flag = field.json_schema_extra
    return flag if isinstance(flag, Flag) else None

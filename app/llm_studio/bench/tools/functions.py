"""The functions that the tasks offer; none of them is ever run."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _text(told: str = "", *choices: str) -> Schema:
    schema: Schema = {"type": "string"}
    if told:
        schema["description"] = told
    if choices:
        schema["enum"] = list(choices)
    return schema


def _number(told: str = "", kind: str = "number") -> Schema:
    return {"type": kind, **({"description": told} if told else {})}


def _list(of: Schema, told: str = "") -> Schema:
    return {"type": "array", "items": of, **({"description": told} if told else {})}


def _object(fields: Schema, needed: tuple[str, ...] | None = None) -> Schema:
    required = list(fields if needed is None else needed)
    return {"type": "object", "properties": fields, "required": required}


WHOLE = _number(kind="integer")
FLAG: Schema = {"type": "boolean"}
DAY = _text("as YYYY-MM-DD")
CODE = _text("the airport's code of three letters")
ADDRESS = _object({"street": _text(), "city": _text(), "postcode": _text()})

_FUNCTIONS: dict[str, tuple[str, Schema]] = {
    "get_weather": (
        "The weather of a city now.",
        _object({"city": _text(), "unit": _text("", "celsius", "fahrenheit")}, ("city",)),
    ),
    "get_forecast": (
        "The weather of a city on a coming day.", _object({"city": _text(), "day": DAY}),
    ),
    "convert_currency": (
        "What an amount of money is worth in another currency.",
        _object({"amount": _number(), "source": _text("like EUR"), "target": _text("like EUR")}),
    ),
    "send_email": (
        "Send an e-mail.",
        _object({"to": _list(_text()), "subject": _text(), "body": _text()}),
    ),
    "send_text": ("Send a text message to a phone.", _object({"number": _text(), "text": _text()})),
    "create_event": (
        "Put an event into the calendar.",
        _object(
            {
                "title": _text(), "day": DAY, "start": _text("as HH:MM, 24 hours"),
                "minutes": _number("how long", "integer"),
            }
        ),
    ),
    "list_events": ("The events of a day.", _object({"day": DAY})),
    "cancel_event": ("Take an event out of the calendar.", _object({"event_id": _text()})),
    "find_flights": (
        "Flights between two airports.",
        _object(
            {
                "origin": CODE, "destination": CODE, "day": DAY, "passengers": WHOLE,
                "cabin": _text("", "economy", "business", "first"), "direct": FLAG,
            },
            ("origin", "destination", "day", "passengers"),
        ),
    ),
    "set_thermostat": (
        "Set the temperature of a room.",
        _object(
            {
                "room": _text("", "kitchen", "bedroom", "office", "bathroom"),
                "degrees": _number("Celsius"),
            }
        ),
    ),
    "switch_lights": (
        "Turn the lights of a room on or off.",
        _object({"room": _text("", "kitchen", "bedroom", "office", "bathroom"), "on": FLAG}),
    ),
    "set_timer": ("Start a timer.", _object({"seconds": WHOLE})),
    "read_file": ("The content of a file.", _object({"path": _text()})),
    "move_file": ("Move or rename a file.", _object({"source": _text(), "target": _text()})),
    "delete_file": ("Delete a file for good.", _object({"path": _text()})),
    "search_files": (
        "Files whose content holds a text.",
        _object({"text": _text(), "folder": _text(), "case_sensitive": FLAG}, ("text", "folder")),
    ),
    "get_stock_price": ("The price of a share now.", _object({"symbol": _text("like AAPL")})),
    "get_order": ("What is known of an order.", _object({"order_id": _text()})),
    "refund_order": ("Give money back.", _object({"order_id": _text(), "amount": _number()})),
    "add_numbers": ("The sum of numbers.", _object({"numbers": _list(_number())})),
    "find_user": ("The user with a name.", _object({"name": _text()})),
    "reset_password": ("Reset the password of a user.", _object({"user_id": WHOLE})),
    "place_order": (
        "Order goods.",
        _object(
            {
                "items": _list(_object({"sku": _text(), "count": WHOLE})),
                "address": ADDRESS, "gift": FLAG,
            },
            ("items", "address"),
        ),
    ),
    "create_user": (
        "Add a user.",
        _object(
            {
                "name": _text(), "roles": _list(_text("", "reader", "writer", "admin")),
                "contact": _object({"email": _text(), "phone": _text()}, ("email",)),
            }
        ),
    ),
    "filter_rows": (
        "The rows of a table that meet all conditions.",
        _object(
            {
                "table": _text(),
                "conditions": _list(
                    _object(
                        {
                            "column": _text(), "operator": _text("", "=", "<", ">"),
                            "value": _number(),
                        }
                    )
                ),
                "order": _object({"column": _text(), "descending": FLAG}),
            },
            ("table", "conditions"),
        ),
    ),
}  # fmt: skip


def function(name: str) -> Schema:
    """As a chat request offers it."""
    told, parameters = _FUNCTIONS[name]
    return {
        "type": "function",
        "function": {"name": name, "description": told, "parameters": parameters},
    }

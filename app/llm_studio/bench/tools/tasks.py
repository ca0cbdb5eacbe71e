"""The tasks of tool calling. They are fixed: whoever changes one counts VERSION up, for scores of
two versions say nothing about each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from llm_studio.bench.tools.task import Call, Either, Maybe, Task

VERSION = 1
HOUSE = ("set_thermostat", "switch_lights", "set_timer", "get_weather")
OFFICE = ("create_event", "list_events", "cancel_event", "send_email", "send_text")
FILES = ("read_file", "move_file", "delete_file", "search_files")
SHOP = ("get_order", "refund_order", "place_order", "convert_currency")
MIXED = ("get_weather", "get_forecast", "get_stock_price", "convert_currency", "find_flights",
         "send_email", "read_file", "set_timer")  # fmt: skip
USERS = ("find_user", "reset_password", "create_user", "send_email")
Wanted = tuple[str, dict[str, Any]]


def _asks(prompt: str) -> dict[str, Any]:
    return {"role": "user", "content": prompt}


_CHOOSE: tuple[tuple[tuple[str, ...], str, Wanted], ...] = (
    (MIXED, "What is the weather in Lisbon right now?",
     ("get_weather", {"city": "Lisbon", "unit": Maybe(Either(("celsius", "fahrenheit")))})),
    (MIXED, "What will the weather be in Oslo on 3 March 2027?",
     ("get_forecast", {"city": "Oslo", "day": "2027-03-03"})),
    (MIXED, "What does one share of NVDA cost at the moment?",
     ("get_stock_price", {"symbol": "NVDA"})),
    (MIXED, "How much is 250 US dollars in euros?",
     ("convert_currency", {"amount": 250, "source": "USD", "target": "EUR"})),
    (MIXED, "Show me what is in /etc/hosts.", ("read_file", {"path": "/etc/hosts"})),
    (FILES, "Rename /srv/a.txt to /srv/b.txt.",
     ("move_file", {"source": "/srv/a.txt", "target": "/srv/b.txt"})),
    (FILES, "Get rid of /tmp/old.log, I never want to see it again.",
     ("delete_file", {"path": "/tmp/old.log"})),
    (FILES, "Which files in /srv/docs contain the text invoice?",
     ("search_files", {"text": "invoice", "folder": "/srv/docs",
                       "case_sensitive": Maybe(Either((True, False)))})),
    (OFFICE, "What is in my calendar on 2027-01-15?", ("list_events", {"day": "2027-01-15"})),
    (OFFICE, "Take the event ev-881 out of my calendar.",
     ("cancel_event", {"event_id": "ev-881"})),
    (SHOP, "Where is my order A-1007?", ("get_order", {"order_id": "A-1007"})),
    (USERS, "Reset the password of user number 4711.", ("reset_password", {"user_id": 4711})),
)  # fmt: skip

_TYPES: tuple[tuple[tuple[str, ...], str, Wanted], ...] = (
    (HOUSE, "Make it 21.5 degrees in the bedroom.",
     ("set_thermostat", {"room": "bedroom", "degrees": 21.5})),
    (HOUSE, "Lights out in the kitchen, please.",
     ("switch_lights", {"room": "kitchen", "on": False})),
    (HOUSE, "Set a timer for two and a half minutes.", ("set_timer", {"seconds": 150})),
    (HOUSE, "How warm is it in Boston, in Fahrenheit?",
     ("get_weather", {"city": "Boston", "unit": "fahrenheit"})),
    (OFFICE, "Put a meeting named Budget into my calendar on 9 June 2027 at half past two in the "
     "afternoon, for an hour and a quarter.",
     ("create_event", {"title": "Budget", "day": "2027-06-09", "start": "14:30", "minutes": 75})),
    (MIXED, "Find direct business class flights from AMS to JFK on 2027-05-01 for three people.",
     ("find_flights", {"origin": "AMS", "destination": "JFK", "day": "2027-05-01",
                       "passengers": 3, "cabin": "business", "direct": True})),
    (SHOP, "Give 12.40 back on order B-22.",
     ("refund_order", {"order_id": "B-22", "amount": 12.4})),
    (("add_numbers", "convert_currency"), "Add up 3, -4.5 and 10 with the tool.",
     ("add_numbers", {"numbers": [3, -4.5, 10]})),
    (FILES, "Search /srv/src for the text TODO, in exactly this upper case.",
     ("search_files", {"text": "TODO", "folder": "/srv/src", "case_sensitive": True})),
    (OFFICE, "Send a text to +4930123456 saying: on my way",
     ("send_text", {"number": "+4930123456", "text": "on my way"})),
)  # fmt: skip

_NONE: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (HOUSE, "What is the capital of Japan?", "Tokyo"),
    (MIXED, "Which planet is the closest to the Sun? One word.", "Mercury"),
    (FILES, "What does the word 'merci' mean in English?", ""),
    (SHOP, "How many legs does a spider have? Answer with the number in digits.", "8"),
    (OFFICE, "Write a rhyme of two lines about the sea.", ""),
    (USERS, "Thank you, that was all.", ""),
    (HOUSE, "Explain in one sentence what a thermostat does. Do not change anything.", ""),
    (FILES, "How would one list files with a shell command? I only want to know the command.", ""),
    (SHOP, "Translate to French: good morning", ""),
    (MIXED, "What is 7 times 6? Answer with the number in digits.", "42"),
)

_PARALLEL: tuple[tuple[tuple[str, ...], str, tuple[Wanted, ...]], ...] = (
    (HOUSE, "Turn the lights off in the kitchen and in the office.",
     (("switch_lights", {"room": "kitchen", "on": False}),
      ("switch_lights", {"room": "office", "on": False}))),
    (HOUSE, "Set the bathroom to 23 degrees and switch its lights on.",
     (("set_thermostat", {"room": "bathroom", "degrees": 23}),
      ("switch_lights", {"room": "bathroom", "on": True}))),
    (MIXED, "Prices of AAPL, MSFT and AMD, please.",
     tuple(("get_stock_price", {"symbol": each}) for each in ("AAPL", "MSFT", "AMD"))),
    (FILES, "Delete /tmp/a.bin, /tmp/b.bin and /tmp/c.bin.",
     tuple(("delete_file", {"path": f"/tmp/{each}.bin"}) for each in "abc")),
    (MIXED, "Read /srv/one.txt and tell me the price of a share of IBM.",
     (("read_file", {"path": "/srv/one.txt"}), ("get_stock_price", {"symbol": "IBM"}))),
    (SHOP, "Look up the orders C-1 and C-2.",
     (("get_order", {"order_id": "C-1"}), ("get_order", {"order_id": "C-2"}))),
    (MIXED, "Convert 100 EUR to USD, and 100 EUR to JPY.",
     (("convert_currency", {"amount": 100, "source": "EUR", "target": "USD"}),
      ("convert_currency", {"amount": 100, "source": "EUR", "target": "JPY"}))),
    (OFFICE, "List my events of 2027-02-01 and of 2027-02-02.",
     (("list_events", {"day": "2027-02-01"}), ("list_events", {"day": "2027-02-02"}))),
)  # fmt: skip

_BONN = {"street": "Am Hof 1", "city": "Bonn", "postcode": "53113"}
_NESTED: tuple[tuple[tuple[str, ...], str, Wanted], ...] = (
    (SHOP, "Order two of SKU K-7 to Am Hof 1, 53113 Bonn.",
     ("place_order", {"items": [{"sku": "K-7", "count": 2}], "address": _BONN,
                      "gift": Maybe(False)})),
    (SHOP, "Order one K-7 and four L-9 as a gift, to Am Hof 1, 53113 Bonn.",
     ("place_order", {"items": [{"sku": "K-7", "count": 1}, {"sku": "L-9", "count": 4}],
                      "address": _BONN, "gift": True})),
    (USERS, "Add the user Mira with the roles reader and writer; her e-mail is mira@example.org.",
     ("create_user", {"name": "Mira", "roles": ["reader", "writer"],
                      "contact": {"email": "mira@example.org"}})),
    (USERS, "Add the user Joost as admin, e-mail joost@example.org, phone 555-0199.",
     ("create_user", {"name": "Joost", "roles": ["admin"],
                      "contact": {"email": "joost@example.org", "phone": "555-0199"}})),
    (("filter_rows", "read_file"), "Rows of the table ships with length over 120.",
     ("filter_rows", {"table": "ships",
                      "conditions": [{"column": "length", "operator": ">", "value": 120}]})),
    (("filter_rows", "read_file"), "Rows of the table ships where crew is below 20 and year is "
     "exactly 1998, with the longest first (by the column length).",
     ("filter_rows", {"table": "ships",
                      "conditions": [{"column": "crew", "operator": "<", "value": 20},
                                     {"column": "year", "operator": "=", "value": 1998}],
                      "order": {"column": "length", "descending": True}})),
    (OFFICE, "E-mail ann@example.org and bo@example.org with the subject Lunch and the body: "
     "Noon at the usual place.",
     ("send_email", {"to": ["ann@example.org", "bo@example.org"], "subject": "Lunch",
                     "body": Either(("Noon at the usual place.", "Noon at the usual place"))})),
    (("add_numbers", "filter_rows"), "Use the tool to add 1, 1, 2, 3, 5, 8.",
     ("add_numbers", {"numbers": [1, 1, 2, 3, 5, 8]})),
)  # fmt: skip

_RESULT: tuple[tuple[tuple[str, ...], str, Wanted, Any, Wanted | str], ...] = (
    (USERS, "Reset the password of the user Hanna.", ("find_user", {"name": "Hanna"}),
     {"user_id": 90210, "name": "Hanna"}, ("reset_password", {"user_id": 90210})),
    (SHOP, "Refund order D-5 in full.", ("get_order", {"order_id": "D-5"}),
     {"order_id": "D-5", "total": 31.75, "state": "delivered"},
     ("refund_order", {"order_id": "D-5", "amount": 31.75})),
    (OFFICE, "Cancel my dentist appointment on 2027-04-04.", ("list_events", {"day": "2027-04-04"}),
     [{"event_id": "ev-17", "title": "Gym"}, {"event_id": "ev-23", "title": "Dentist"}],
     ("cancel_event", {"event_id": "ev-23"})),
    (FILES, "Find the one file in /srv/notes that contains the text kumquat, then delete it.",
     ("search_files", {"text": "kumquat", "folder": "/srv/notes"}),
     {"files": ["/srv/notes/2026/fruit.md"]},
     ("delete_file", {"path": "/srv/notes/2026/fruit.md"})),
    (MIXED, "What is one share of TSM worth in euros?", ("get_stock_price", {"symbol": "TSM"}),
     {"price": 187.5, "currency": "USD"},
     ("convert_currency", {"amount": 187.5, "source": "USD", "target": "EUR"})),
    (MIXED, "How many degrees is it in Turku? Answer with the number in digits.",
     ("get_weather", {"city": "Turku"}), {"degrees": 17, "sky": "overcast"}, "17"),
    (SHOP, "In which state is order E-9? Answer with the word that the tool gives.",
     ("get_order", {"order_id": "E-9"}), {"order_id": "E-9", "state": "quarantined"},
     "quarantined"),
    (("add_numbers", "set_timer"), "Add 1209 and 3377 with the tool, and give me the sum in digits "
     "without separators.", ("add_numbers", {"numbers": [1209, 3377]}), {"sum": 4586}, "4586"),
    (FILES, "What is the code word in /srv/secret.txt?", ("read_file", {"path": "/srv/secret.txt"}),
     "The code word is albatross.", "albatross"),
    (OFFICE, "Do I have anything on 2027-08-08? Name the title of the event.",
     ("list_events", {"day": "2027-08-08"}), [{"event_id": "ev-90", "title": "Regatta"}],
     "Regatta"),
)  # fmt: skip


def tasks() -> tuple[Task, ...]:
    """All of them, in their order."""
    return tuple(_made())


def _made() -> Iterator[Task]:
    for kind, rows in (("choose", _CHOOSE), ("types", _TYPES), ("nested", _NESTED)):
        for number, (tools, prompt, wanted) in enumerate(rows):
            yield Task(f"{kind}/{number}", kind, tools, [_asks(prompt)], (Call(*wanted),))
    for number, (tools, prompt, says) in enumerate(_NONE):
        yield Task(f"none/{number}", "none", tools, [_asks(prompt)], says=says)
    for number, (tools, prompt, several) in enumerate(_PARALLEL):
        calls = tuple(Call(*each) for each in several)
        yield Task(f"parallel/{number}", "parallel", tools, [_asks(prompt)], calls)
    for number, (tools, prompt, first, result, then) in enumerate(_RESULT):
        said = [_asks(prompt), *_done(*first, result)]
        calls = () if isinstance(then, str) else (Call(*then),)
        says = then if isinstance(then, str) else ""
        yield Task(f"result/{number}", "result", tools, said, calls, says)


def _done(name: str, arguments: dict[str, Any], result: Any) -> list[dict[str, Any]]:
    """A call that was made, and what came of it."""
    call = {"name": name, "arguments": json.dumps(arguments)}
    told = result if isinstance(result, str) else json.dumps(result)
    return [
        {
            "role": "assistant", "content": "",
            "tool_calls": [{"id": "call00001", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "call00001", "content": told},
    ]  # fmt: skip

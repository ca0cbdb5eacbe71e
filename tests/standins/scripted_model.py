"""A model that does as it is told: `call NAME {arguments}` in a prompt makes it call that tool, and
what came of the calls is its answer. It speaks the three languages that agents speak."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_ids = itertools.count(1)
_CALL = re.compile(r'call (\w+) (\{.*?\})(?=[;\n"]|$)')
Call = tuple[str, str]


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class ScriptedModel:
    """Serves on a loopback port, in a thread, until it is closed."""

    context: int = 65536
    tools: bool = True
    asked: list[Asked] = field(default_factory=list)
    before: Callable[[Asked], tuple[int, Any] | None] = lambda _: None
    """May answer in place of the model, with a status and an error's body."""

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def inferences(self) -> list[Asked]:
        return [each for each in self.asked if each.path.partition("?")[0] in _DIALECTS]


def _handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            settings = {"n_ctx": model.context}
            known: dict[str, Any] = {
                "/health": {"status": "ok"},
                "/v1/models": {"object": "list", "data": [{"id": "scripted", "object": "model"}]},
                "/props": {
                    "default_generation_settings": settings,
                    "total_slots": 2,
                    "chat_template_caps": {"supports_tools": model.tools},
                },
            }
            found = known.get(self.path.partition("?")[0])
            self._answer(200 if found else 404, json.dumps(found or {"error": "none"}))

        do_HEAD = do_GET  # noqa: N815 - the library's names

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = Asked(self.path, dict(self.headers), body)
            model.asked.append(asked)
            path = self.path.partition("?")[0]
            refusal = model.before(asked)
            if refusal is not None:
                self._answer(refusal[0], json.dumps(refusal[1]))
            elif path not in _DIALECTS:
                self._answer(200, json.dumps({"tokens": [], "input_tokens": 10, "prompt": ""}))
            else:
                said, speak = _DIALECTS[path]
                tokens = len(json.dumps(body)) // 4
                text = "".join(speak(*_decide(list(said(body))), tokens))
                self._answer(200, text, "text/event-stream")

        def _answer(self, status: int, text: str, kind: str = "application/json") -> None:
            raw = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)

    return Handler


def _decide(said: list[tuple[str, str]]) -> tuple[Call | None, str]:
    """The next call of the last prompt that is not done yet, or what came of them."""
    last = max((at for at, (who, _) in enumerate(said) if who == "user"), default=0)
    # One of the agents hands its prompt on as a string within a string.
    calls = _CALL.findall(said[last][1].replace('\\"', '"')) if said else []
    results = [text for who, text in said[last:] if who == "result"]
    if len(results) < len(calls):
        return calls[len(results)], ""
    return None, "RESULT " + " | ".join(results)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(each.get("text", "")) for each in content or [] if isinstance(each, dict))


def _messages_said(body: Any) -> Iterator[tuple[str, str]]:
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if block["type"] == "tool_result":
                yield "result", _text(block.get("content"))
        text = "\n".join(
            block["text"]
            for block in blocks
            if block["type"] == "text" and "<system-reminder>" not in block["text"]
        )
        if message["role"] == "user" and text.strip():
            yield "user", text


def _chat_said(body: Any) -> Iterator[tuple[str, str]]:
    for message in body["messages"]:
        if message["role"] in ("user", "tool"):
            who = "user" if message["role"] == "user" else "result"
            yield who, _text(message["content"])


def _responses_said(body: Any) -> Iterator[tuple[str, str]]:
    for item in body["input"]:
        if item.get("type") in ("function_call_output", "custom_tool_call_output"):
            yield "result", _text(item["output"])
        elif item.get("role") == "user" and "<environment_context>" not in _text(item["content"]):
            yield "user", _text(item["content"])


def _event(name: str, **data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"


def _speak_messages(call: Call | None, text: str, tokens: int) -> Iterator[str]:
    usage = {"input_tokens": tokens // 4, "cache_read_input_tokens": tokens - tokens // 4}
    message: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "scripted",
        "stop_reason": None, "usage": {**usage, "output_tokens": 0},
    }  # fmt: skip
    yield _event("message_start", message=message)
    if call:
        block = {"type": "tool_use", "id": f"toolu_{next(_ids)}", "name": call[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": call[1]}
    else:
        block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": text}
    yield _event("content_block_start", index=0, content_block=block)
    yield _event("content_block_delta", index=0, delta=delta)
    yield _event("content_block_stop", index=0)
    stop = {"stop_reason": "tool_use" if call else "end_turn"}
    yield _event("message_delta", delta=stop, usage={"output_tokens": 7})
    yield _event("message_stop")


def _speak_chat(call: Call | None, text: str, tokens: int) -> Iterator[str]:
    def chunk(delta: Any, stop: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": stop}
        told = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
        return f"data: {json.dumps({**told, 'choices': [choice], **more})}\n\n"

    if call:
        function = {"name": call[0], "arguments": call[1]}
        calls = [{"index": 0, "id": f"call_{next(_ids)}", "type": "function", "function": function}]
        yield chunk({"role": "assistant", "content": None, "tool_calls": calls})
    else:
        yield chunk({"role": "assistant", "content": text})
    usage = {"prompt_tokens": tokens, "completion_tokens": 7, "total_tokens": tokens + 7}
    yield chunk({}, "tool_calls" if call else "stop", usage=usage)
    yield "data: [DONE]\n\n"


def _speak_responses(call: Call | None, text: str, tokens: int) -> Iterator[str]:
    if call:
        item: dict[str, Any] = {
            "type": "function_call", "id": "fc_1", "call_id": f"call_{next(_ids)}", "name": call[0],
            "arguments": call[1], "status": "completed",
        }  # fmt: skip
    else:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        item = {
            "type": "message", "id": "m_1", "role": "assistant", "status": "completed",
            "content": content,
        }  # fmt: skip
    made = {"id": "resp_1", "object": "response", "model": "scripted", "output": []}
    yield _event("response.created", response={**made, "status": "in_progress"})
    yield _event("response.output_item.added", output_index=0, item=item)
    if not call:
        yield _event("response.output_text.delta", item_id="m_1", output_index=0, delta=text)
    yield _event("response.output_item.done", output_index=0, item=item)
    details = {"input_tokens_details": {"cached_tokens": 0}}
    usage = {"input_tokens": tokens, "output_tokens": 7, "total_tokens": tokens + 7, **details}
    done = {**made, "status": "completed", "output": [item], "usage": usage}
    yield _event("response.completed", response=done)


_DIALECTS: dict[str, tuple[Callable[[Any], Iterator[tuple[str, str]]], Callable[..., Any]]] = {
    "/v1/messages": (_messages_said, _speak_messages),
    "/v1/chat/completions": (_chat_said, _speak_chat),
    "/v1/responses": (_responses_said, _speak_responses),
}

if __name__ == "__main__":
    served = ScriptedModel()
    print(served.url, flush=True)
    threading.Event().wait()

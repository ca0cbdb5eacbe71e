"""What docs/http-api.md says in its own words."""

from __future__ import annotations

TITLES = {
    "models": "Serving", "status": "Serving", "switch": "Serving", "stop": "Serving",
    "shutdown": "Serving", "profiles": "Profiles", "files": "Profiles", "jobs": "Jobs",
    "logs": "What happens", "requests": "What happens", "metrics": "What happens",
    "events": "What happens", "downloads": "Downloads", "hub": "Downloads",
    "samples": "GPUs, machine, engine", "history": "GPUs, machine, engine",
}  # fmt: skip
"""Under which title routes stand, by the first part of their path."""

HEAD = """\
# HTTP

Written by `make docs`; the routes and shapes are those of `GET /openapi.json` of this version.

## Management API

`http://127.0.0.1:8081` (settings `api_host`, `api_port`), and the same on the studio's Unix
socket, `studio.sock` in the state folder.

- Over TCP every change (`POST`, `PATCH`, `DELETE`) needs `Authorization: Bearer $(llm-studio
  token)`, or the same key as `X-Api-Key`; looking needs none on loopback. Where `api_host` is
  another address, looking needs it too. On the socket the file's mode (0600) is the key.
- The Host must be 127.0.0.1, localhost, [::1] or one of the setting `hosts` (421 else), and a web
  page may ask nothing (403).
- Bodies are JSON (415 else), of at most 64 KiB, 64 MiB for conversations (413 else), and are to
  be there within 10 s (408 else).
- A failure is `application/problem+json` with the shape [Problem](#problem): 401 no token, 404
  there is none, 409 not now (with the `job` that is in the way, where it is one), 422 not
  understood, 500 a failure or a defect.
- `POST /switch` answers 202 with a job to follow, and 200 where the profile is served already. With
  `?wait=true` it answers once it is over: 200, or 502 where it failed, both with the job.
- What is numbered is read on from a number: `GET /logs?since=N`, `GET /requests?since=N`. The
  answers of `/events` carry an `id`; who comes back with it as `Last-Event-ID` gets what is
  newer. Each `status` and `job` event holds the whole of what it tells.

```sh
curl -s --unix-socket ~/.local/state/llm-studio/studio.sock http://studio/status
curl -s http://127.0.0.1:8081/switch -H "Authorization: Bearer $(llm-studio token)" \\
     -H 'Content-Type: application/json' -d '{"model": "qwen3-8b"}'
```"""

GATEWAY = """\
## Gateway

`http://127.0.0.1:8080` (settings `gateway_host`, `gateway_port`). Every path goes to the engine
that serves, and its answer comes back byte for byte as it grows: llama-server's own routes,
OpenAI's (`/v1/chat/completions`, `/v1/completions`, `/v1/responses`, `/v1/embeddings`,
`/v1/models` …), Anthropic's (`/v1/messages`, `/v1/messages/count_tokens`) and the web UI. What it
adds:

- **Switching.** Where the body of a `POST` names another profile as `model`, that profile is
  loaded first (unless `switch_on_request` is off: 503 then). Any name that is no profile's goes
  to what is served. Profiles that are served beside each other are each asked by their name.
- **Waiting.** A `POST` that comes during a load or a switch waits for it, up to ten minutes; up
  to 64 wait, more get 503 with `Retry-After`. Where requests name different profiles, each loaded
  profile keeps its place for at least five seconds, then the first who waits for another has its
  turn. A `GET` never waits, switches or wakes.
- **Waking.** A model that `server.idle_unload` unloaded is loaded again by the next `POST`.
- **Nothing loaded.** `GET /v1/models` lists the profiles; all else is 503 with `Retry-After`, in
  the words of the caller's API: OpenAI's, Anthropic's, or llama.cpp's.
- **Engine gone.** 502 where the engine did not answer; an answer that breaks off midway is cut
  off, not ended as if it were whole.
- **Cancelling.** A client that closes the connection frees the engine at once.
- **Records.** Tokens and timings of each inference go to `GET /requests` and `requests.jsonl`.
  What was asked and answered is not kept, unless `capture` is on.

It refuses, before the engine sees anything: a Host that is not this machine's (403; `hosts` adds
names), web pages of other origins (403), with `gateway_key` whoever lacks the key (401;
`llm-studio token --gateway` prints it; health and the files of the web UI need none), a body
above 64 MiB (413), one that stalls for a minute (408), and itself as the engine (508). An address
that others can reach is refused at the start, unless `gateway_key` is set. The engine's own key
is put in by the gateway: clients need not know it.
"""

"""One file an agent, each with an `AGENT`; `agents.registry` finds them by looking here."""

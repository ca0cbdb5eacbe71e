"""One file a suite, each with a `SUITE`; `bench.kinds` finds them by looking here."""

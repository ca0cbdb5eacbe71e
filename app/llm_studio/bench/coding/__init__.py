"""Coding tasks in EvalPlus's format: asked, extracted, run in the sandbox, judged outside of it."""

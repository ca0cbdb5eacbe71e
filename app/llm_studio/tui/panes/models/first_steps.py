"""What the pane says where there is nothing yet."""

from __future__ import annotations

from textual.content import Content


def first_steps(folder: str) -> Content:
    """What to do when there is nothing yet."""
    return Content.assemble(
        ("No model of yours is here yet.\n\n", "bold"),
        ("Enter", "$accent"), " on ", ("demo", "$accent"), " serves a stand-in that is written on "
        "the spot, without a download; then ", ("4", "$accent"), " chats with it.\n",
        "For a real one put GGUF files into ", (folder or "a models folder", "$accent"), ",\n",
        "or name the folder where yours are:\n\n",
        ("    llm-studio config models /data/models\n\n", "$accent"),
        "Then ", ("Ctrl+R", "$accent"), " finds them. Files in the caches of Hugging Face, ",
        "llama.cpp, LM Studio and Ollama are found by themselves.",
    )  # fmt: skip

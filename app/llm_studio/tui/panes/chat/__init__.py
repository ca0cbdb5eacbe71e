"""Chat: talk to the model that is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_studio.tui.actions import Action
from llm_studio.tui.panes.spec import PaneSpec

if TYPE_CHECKING:
    from llm_studio.tui.pane import Pane

WRITING = (
    Action(
        "chat.send", "enter", "Send",
        "Send what is written. With nothing loaded, the last profile is offered.", "send",
        palette=False,
    ),
    Action(
        "chat.newline", "shift+enter,alt+enter,ctrl+j", "New line",
        "Go on writing in a new line.", palette=False,
    ),
)  # fmt: skip
"""What works while one writes."""
ACTIONS = (
    Action(
        "chat.stop", "escape", "Stop, or leave the input",
        "Stop the answer at once, keeping what came; else go from the input to the messages, where "
        "digits go to other panes.", "stop/leave", palette=False,
    ),
    Action("chat.write", "i", "Write", "Go to the input.", "write"),
    Action(
        "chat.new", "ctrl+n", "New conversation", "Begin a new conversation.", "new"
    ),
    Action(
        "chat.private", "P", "New private conversation",
        "Begin one that is never written to the disk, and ends with the studio.",
    ),
    Action(
        "chat.open", "ctrl+o", "Conversations",
        "Find a conversation by its words, open it, rename or delete it.", "conversations",
    ),
    Action(
        "chat.regenerate", "r", "Answer again",
        "Another answer beside this one; left and right go between them.", "again",
    ),
    Action("chat.edit", "e", "Edit", "Say something else in its place, as another branch.", "edit"),
    Action(
        "chat.resume", "c", "Continue", "Go on with an answer that was cut or stopped.", "continue"
    ),
    Action("chat.branch", "b", "Branch here", "Go on from the selected message."),
    Action(
        "chat.previous_branch", "left", "Branch before", "Show the branch before, at this message.",
        palette=False, does="sibling(-1)",
    ),
    Action(
        "chat.next_branch", "right", "Next branch", "Show the next branch at this message.",
        palette=False, does="sibling(1)",
    ),
    Action(
        "chat.fold", "t", "Thoughts", "Unfold or fold the thoughts, or a long text.", "thoughts"
    ),
    Action("chat.copy", "y", "Copy message", "Put the message into the clipboard.", "copy"),
    Action(
        "chat.copy_code", "Y", "Copy code", "Put a code block of the message into the clipboard."
    ),
    Action("chat.save_code", "w", "Save code", "Write the code blocks of the message into files."),
    Action("chat.external", "o", "Open in $EDITOR", "Show the message in your editor."),
    Action(
        "chat.attach", "ctrl+f,a", "Attach a file",
        "Send a text file along, or a picture where the model sees.",
    ),
    Action("chat.detach", "A", "Remove attachments", "Send nothing along after all."),
    Action(
        "chat.settings", "s", "Settings of the conversation",
        "Samplers, system prompt, reasoning level, JSON schema, grammar, seed.", "settings",
    ),
    Action(
        "chat.compare", "v", "Compare",
        "Have another profile answer the last message too, and show both side by side.",
    ),
    Action("chat.summarise", "z", "Summarise", "Go on from a summary of all that was said."),
    Action("chat.rename", "R", "Rename", "Give the conversation another title."),
    Action("chat.export", "x", "Export", "Write the conversation as Markdown, or as JSON."),
    Action("chat.remove", "delete", "Delete", "Delete the message and all that follows it."),
)  # fmt: skip


def _create() -> Pane:
    from llm_studio.tui.panes.chat.pane import ChatPane

    return ChatPane()


PANE = PaneSpec(4, "chat", "Chat", (*WRITING, *ACTIONS), _create)

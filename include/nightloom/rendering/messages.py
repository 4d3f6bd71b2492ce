"""Messages: a conversation as every stage passes it on, before a chat template writes it."""

from collections.abc import Sequence

Conversation = Sequence[dict[str, str]]
"""Messages with `role` and `content`; the last one is the user's."""

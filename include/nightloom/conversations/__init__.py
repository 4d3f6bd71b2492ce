"""Conversations: parse messages in common formats, and what marks say about learning them."""

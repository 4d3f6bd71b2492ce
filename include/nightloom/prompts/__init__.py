"""Prompts: templates as files, one a version, and the messages and target texts made with them."""

"""Prompts: versioned templates as files, and the messages and target texts rendered with them."""

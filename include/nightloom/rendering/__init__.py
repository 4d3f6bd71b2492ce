"""Rendering: from messages to text to token ids, the same in training, evaluation, batch and serving."""

"""Sources: read rows, and turn them into records."""

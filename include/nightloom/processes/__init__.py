"""Processes: functions run in a child process of their own, and the GPUs that such processes lease."""

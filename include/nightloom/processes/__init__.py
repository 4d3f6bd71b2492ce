"""Processes: functions run in child processes, and the GPUs that these lease."""

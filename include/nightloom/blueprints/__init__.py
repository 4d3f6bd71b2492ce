"""Blueprints: compile, plan, diff, verify and replay everything that determines a training result."""

"""Blueprints: a recipe compiled to all that determines its result, before anything trains."""

"""Recipes: the YAML file in which a team describes one model: its schema, its rules, and the check of files."""

"""Recipes: what a team writes to have one model kept fresh: its schema, its rules, and the check of its files."""

"""Showing: roles and measured numbers as people read them."""

from nightloom.artifacts.results import Role


def show_role(role: Role) -> str:
    """Return a role in words."""
    return role.replace("_", " ")

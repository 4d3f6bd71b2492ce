"""Counts: a number with its noun, in the singular or the plural."""


def show_count(count: int, one: str, many: str | None = None, form: str = "") -> str:
    """Return a count such as `1 row`, `0 rows` or `3 weights are`.

    Args:
        count: The number.
        one: What is counted, for one of it; a verb may follow.
        many: The same for any other number, or None to add an `s`.
        form: Format of the number, such as `,`.
    """
    return f"{count:{form}} {one if count == 1 else many or f'{one}s'}"

"""An S3 client whose process dies at one of its calls."""

from typing import Any


class Killed(BaseException):
    """The process is gone."""


class MortalS3:
    """An S3 client whose process dies before or after one of its calls.

    Args:
        inner: A client that lives on.
        call: Which call, counted from 1.
        after: Once it is done, and not before.
        operation: The operation whose calls are counted, or None for all.
    """

    def __init__(self, inner: Any, call: int, *, after: bool, operation: str | None = None) -> None:
        self._inner, self.meta, self._left, self._after = inner, inner.meta, call, after
        self._operation = operation

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self._left -= self._operation in (None, name)
            if self._left == 0 and not self._after:
                raise Killed
            answer = getattr(self._inner, name)(**arguments)
            if self._left == 0 and self._operation in (None, name):
                raise Killed
            return answer

        return call

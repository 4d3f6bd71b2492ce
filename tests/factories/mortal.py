"""An S3 client whose process dies at a call of its."""

from typing import Any


class Killed(BaseException):
    """The process is gone."""


class MortalS3:
    """An S3 client whose process dies before or after one of its calls."""

    def __init__(self, inner: Any, call: int, *, after: bool) -> None:
        self._inner, self.meta, self._left, self._after = inner, inner.meta, call, after

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            answer = getattr(self._inner, name)(**arguments)
            if self._left == 0:
                raise Killed
            return answer

        return call

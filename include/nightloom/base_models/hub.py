"""The Hub: a repository's files at one commit, with huggingface_hub, which reads `HF_TOKEN` and resumes downloads."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nightloom.base_models.quiet import disable_progress_bars
from nightloom.core.errors import FaultError, InputError

_NAME = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubRepo:
    """A repository at a commit.

    Args:
        repo: Name of the repository, `org/name`.
        revision: A full commit, which needs no request, or a branch or tag, which is resolved.

    Raises:
        InputError: There is no such repository or revision, or access is denied.
        FaultError: The Hub does not respond.
    """

    def __init__(self, repo: str, revision: str) -> None:
        self.source = repo
        self.revision = revision
        if not _COMMIT.fullmatch(revision):
            with self._asking(revision):
                self.revision = str(self._api().model_info(repo, revision=revision).sha)

    def list_files(self) -> dict[str, str | None]:
        """Return the names of its files, each with the SHA-256 of its bytes, or None if the Hub does not know it."""
        from huggingface_hub.hf_api import RepoFile

        with self._asking(self.revision):
            tree = list(self._api().list_repo_tree(self.source, recursive=True, revision=self.revision))
        return {file.path: file.lfs.sha256 if file.lfs else None for file in tree if isinstance(file, RepoFile)}

    def fetch(self, names: Collection[str], folder: Path) -> None:
        """Write files into a folder, except those that exist there; partial downloads are resumed."""
        from huggingface_hub import hf_hub_download

        disable_progress_bars()
        with self._asking(self.revision):
            for name in sorted(names):
                hf_hub_download(self.source, name, revision=self.revision, local_dir=folder, endpoint=_endpoint())

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=_endpoint())

    @contextmanager
    def _asking(self, revision: str) -> Iterator[None]:
        """Translate errors of the Hub into messages of our own: the Hub's may contain a URL with a password."""
        from huggingface_hub import errors, get_token

        what = f"{self.source}@{revision}"
        try:
            yield
        except errors.GatedRepoError as error:
            msg = (
                f"the Hub requires accepted terms for {what}; accept them on the model's page, and set HF_TOKEN to a "
                f"token of the same account"
            )
            raise InputError(msg) from error
        except errors.RevisionNotFoundError as error:
            msg = f"the repository {self.source} has no revision {revision!r}; write an existing commit after the @"
            raise InputError(msg) from error
        except (errors.RepositoryNotFoundError, errors.DisabledRepoError, errors.HFValidationError) as error:
            token = "the account of HF_TOKEN may not see it" if get_token() else "it is private and HF_TOKEN is not set"
            msg = f"the Hub shows no model {self.source}; it does not exist, or {token}"
            raise InputError(msg) from error
        except errors.OfflineModeIsEnabled as error:
            msg = (
                f"{what} is not frozen yet, and HF_HUB_OFFLINE forbids fetching it; unset the variable, or use a folder"
            )
            raise InputError(msg) from error
        except Exception as error:  # The HTTP library's error classes differ between versions.
            raise _explain(what, error) from error


def read_name(base: str) -> HubRepo | None:
    """Return the Hub repository of a recipe's `train.base`, or None if the name does not have the form of one.

    Raises:
        InputError: The name has no revision.
    """
    name = _NAME.fullmatch(base)
    if name is None:
        return None
    if name["revision"] is None:
        msg = (
            f"base model {base!r} is not a folder on this machine, and a Hub model must be pinned; write {base}@ and a "
            f"commit from the model's page"
        )
        raise InputError(msg)
    return HubRepo(name["repo"], name["revision"])


def _explain(what: str, error: Exception) -> InputError | FaultError:
    cause = error.__cause__ if error.__cause__ is not None else error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status in (401, 403):
        return InputError(
            f"the Hub refuses {what} for this token (status {status}); set HF_TOKEN to a token with read access"
        )
    how = f"status {status}" if status else type(cause).__name__
    return FaultError(f"{what} could not be fetched from the Hub ({how}); try again to resume the download")


def _endpoint() -> str | None:
    """Return the Hub's address from the environment: huggingface_hub reads it only once, at import."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None

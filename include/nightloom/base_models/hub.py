"""The hub: a repository's files at one commit, through huggingface_hub, which knows `HF_TOKEN` and how to go on."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nightloom.core.errors import FaultError, InputError

_NAME = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubRepo:
    """A repository at a commit.

    Args:
        repo: Its name, `org/name`.
        revision: A full commit, which is never asked for, or a branch or tag, which is looked up.

    Raises:
        InputError: There is no such repository or revision, or it is not for everybody.
        FaultError: The hub does not answer.
    """

    def __init__(self, repo: str, revision: str) -> None:
        self.source = repo
        self.revision = revision
        if not _COMMIT.fullmatch(revision):
            with self._asking(revision):
                self.revision = str(self._api().model_info(repo, revision=revision).sha)

    def list_files(self) -> dict[str, str | None]:
        """Return the names of its files, each with the SHA-256 of its bytes where the hub knows it."""
        from huggingface_hub.hf_api import RepoFile

        with self._asking(self.revision):
            tree = list(self._api().list_repo_tree(self.source, recursive=True, revision=self.revision))
        return {file.path: file.lfs.sha256 if file.lfs else None for file in tree if isinstance(file, RepoFile)}

    def fetch(self, names: Collection[str], folder: Path) -> None:
        """Write files into a folder; what is there already is kept, and what is half there completed."""
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        with self._asking(self.revision):
            for name in sorted(names):
                hf_hub_download(self.source, name, revision=self.revision, local_dir=folder, endpoint=_endpoint())

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=_endpoint())

    @contextmanager
    def _asking(self, revision: str) -> Iterator[None]:
        """Tell in a sentence what a call to the hub ended in; what the hub says may hold an address with a password."""
        from huggingface_hub import errors, get_token

        what = f"{self.source}@{revision}"
        try:
            yield
        except errors.GatedRepoError as error:
            msg = (
                f"the hub gives {what} only to those who accepted its terms; accept them on the model's page, and set "
                f"HF_TOKEN to a token of the same account"
            )
            raise InputError(msg) from error
        except errors.RevisionNotFoundError as error:
            msg = f"the repository {self.source} has no revision {revision!r}; write a commit of it after the @"
            raise InputError(msg) from error
        except (errors.RepositoryNotFoundError, errors.DisabledRepoError, errors.HFValidationError) as error:
            token = "the account of HF_TOKEN may not see it" if get_token() else "it is private and HF_TOKEN is not set"
            msg = f"the hub shows no model {self.source}; it does not exist, or {token}"
            raise InputError(msg) from error
        except errors.OfflineModeIsEnabled as error:
            msg = f"{what} is not frozen yet, and HF_HUB_OFFLINE forbids to fetch it; unset it, or name a folder"
            raise InputError(msg) from error
        except Exception as error:  # the HTTP library's classes are others in every version
            raise _explain(what, error) from error


def read_name(base: str) -> HubRepo | None:
    """Return the repository that a recipe's `train.base` names, or nothing where it is no name of the hub's.

    Raises:
        InputError: It names no revision.
    """
    name = _NAME.fullmatch(base)
    if name is None:
        return None
    if name["revision"] is None:
        msg = (
            f"base model {base!r} is no folder on this machine, and for a model of the hub it lacks a revision; "
            f"write {base}@ and a commit from the model's page"
        )
        raise InputError(msg)
    return HubRepo(name["repo"], name["revision"])


def _explain(what: str, error: Exception) -> InputError | FaultError:
    cause = error.__cause__ if error.__cause__ is not None else error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status in (401, 403):
        return InputError(f"the hub refuses {what} to this token (status {status}); set HF_TOKEN to one that may read")
    how = f"status {status}" if status else type(cause).__name__
    return FaultError(f"{what} could not be fetched from the hub ({how}); another try goes on where this one ended")


def _endpoint() -> str | None:
    """Return the hub's address as the environment names it now: huggingface_hub reads it once, when it is imported."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None

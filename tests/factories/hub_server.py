"""A hub on this machine with small repositories, for the real huggingface_hub client."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin")
"""Files stored as by Git LFS: the hub knows their SHA-256 and redirects to another URL."""

STALE = "hf_stale"
"""An expired token."""


@dataclass
class Hub:
    """The server's repositories and requests.

    Attributes:
        repos: By name and commit, each file's bytes.
        branches: By name and branch, the commit.
        gated: Repositories for those alone who hold a token.
        asked: Method and path of each request.
        tokens: What each request was authorised by.
        failing: Paths that end in one of these are answered by 503.
        corrupt: Files whose bytes come with one turned over.
    """

    address: str = ""
    repos: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    failing: tuple[str, ...] = ()
    corrupt: set[str] = field(default_factory=set)

    def push(self, repo: str, folder: Path, branch: str = "main", **more: bytes) -> str:
        """Add a commit with a folder's files, and more by keyword, to a branch; return the commit's name."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        files |= {name.replace("__", "."): data for name, data in more.items()}
        digests = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in files.items())
        commit = hashlib.sha1(json.dumps([repo, digests]).encode()).hexdigest()  # noqa: S324  # as git names a commit
        self.repos[repo, commit] = files
        self.branches[repo, branch] = commit
        return commit

    def downloads(self) -> list[str]:
        """Return the names of the downloaded files."""
        return [path.rsplit("/", 1)[1] for path in self.asked if path.startswith("GET ") and "/resolve/" in path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        self.hub.tokens.append(self.headers.get("authorization"))
        parts = path.strip("/").split("/")
        is_api = parts[:2] == ["api", "models"]
        org, name, verb, revision, *rest = parts[2:] if is_api else parts
        repo = f"{org}/{name}"
        commit = self.hub.branches.get((repo, revision), revision)
        files = self.hub.repos.get((repo, commit))
        if self.command == "GET" and self.hub.failing and path.endswith(self.hub.failing):
            self._send(503, b"down")
        elif self.headers.get("authorization") == f"Bearer {STALE}":
            self._send(401, b"", **{"X-Error-Message": "Invalid credentials in Authorization header"})
        elif repo not in {known for known, _ in self.hub.repos}:
            self._send(401, b"", **{"X-Error-Code": "RepoNotFound"})
        elif repo in self.hub.gated and not self.headers.get("authorization"):
            self._send(401, b"", **{"X-Error-Code": "GatedRepo"})
        elif files is None:
            self._send(404, b"", **{"X-Error-Code": "RevisionNotFound"})
        elif verb == "revision":
            self._send_json({"id": repo, "sha": commit, "siblings": [], "tags": []})
        elif verb == "tree":
            self._send_json([_describe(name, data) for name, data in files.items()])
        else:
            self._send_file("/".join(rest), files, commit)

    def _send_json(self, document: object) -> None:
        self._send(200, json.dumps(document).encode(), **{"Content-Type": "application/json"})

    def _send_file(self, name: str, files: dict[str, bytes], commit: str) -> None:
        if name not in files:
            self._send(404, b"", **{"X-Error-Code": "EntryNotFound"})
            return
        data = files[name]
        tag = f'"{hashlib.sha256(data).hexdigest()}"'
        headers = {"ETag": tag, "X-Repo-Commit": commit, "X-Linked-ETag": tag, "X-Linked-Size": str(len(data))}
        if name in self.hub.corrupt:
            data = data[:-1] + bytes([data[-1] ^ 1])
        status = 200
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            data, status = data[start:], 206
        self._send(status, data, **headers)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for header, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _describe(name: str, data: bytes) -> dict[str, object]:
    described: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
    if name.endswith(LARGE):
        described["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return described


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve an empty hub at its own URL."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

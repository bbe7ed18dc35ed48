"""A hub on loopback that speaks the Hugging Face Hub's own protocol, for reading and writing.

    with Hub() as hub:
        hub.add("datasets", "owner/set", {"README.md": b"...", "train.jsonl": b"..."})
        hub.endpoint            # goes into HF_ENDPOINT

Repositories of datasets and models with commits, branches and tags; listings, paths, file metadata
with ETag and commit; large files (LFS) by a redirect to another path with the digest as ETag, with
ranges; gated and private repositories (401, 403), tokens with and without the right to write; rate
limits (429 with Retry-After); creation, uploads (regular and LFS) and commits. ``huggingface_hub``
and ``datasets`` work against it as they are. Ends with its ``with`` block, and by itself after
``lifetime_s``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LIFETIME_S = 300.0
#: Files that are kept as LFS: by name, as the hub's own .gitattributes has it, or by size.
LFS_NAMES = ("*.parquet", "*.arrow", "*.safetensors", "*.gz", "*.zip", "*.bin", "tokenizer.json")
LFS_BYTES = 10_000_000
READ, WRITE = "hf_read", "hf_write"


@dataclass
class Repo:
    """A repository: files by commit, commits by name of a branch or tag."""

    kind: str
    name: str
    gated: bool = False
    private: bool = False
    #: Tokens that were granted access to a gated repository.
    granted: set[str] = field(default_factory=set)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main", message: str = "") -> str:
        """Add a commit with exactly these files; returns its id."""
        content = sorted((n, hashlib.sha1(b).hexdigest()) for n, b in files.items())
        stamp = [self.kind, self.name, len(self.commits), content]
        sha = hashlib.sha1(json.dumps(stamp).encode()).hexdigest()
        self.commits[sha] = dict(files)
        self.refs[branch] = sha
        self.messages.append(message)
        return sha

    def at(self, revision: str) -> str | None:
        """The commit that a revision names."""
        if revision in self.commits:
            return revision
        return self.refs.get(revision.removeprefix("refs/heads/"), self.refs.get(revision))


def is_lfs(path: str, size: int) -> bool:
    """Whether the hub would keep a file as LFS."""
    name = path.rsplit("/", 1)[-1]
    return size > LFS_BYTES or any(fnmatchcase(name, pattern) for pattern in LFS_NAMES)


def git_oid(body: bytes) -> str:
    """What git calls a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class Hub:
    """The hub; ``requests`` are (method, path, token) of all it was asked."""

    def __init__(self, lifetime_s: float = LIFETIME_S) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.tokens = {READ: ("reader", "read"), WRITE: ("writer", "write")}
        self.requests: list[tuple[str, str, str]] = []
        #: Paths (patterns) that answer 429 so many times yet.
        self.limits: dict[str, int] = {}
        self.blobs: dict[str, bytes] = {}
        #: Bytes of files that were sent.
        self.sent = 0
        self.lock = threading.Lock()
        handler = _handler(self)
        # Large files lie on another host than the hub itself: here, behind another port.
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        for server in self._servers:
            server.daemon_threads = True
        self._end = threading.Timer(lifetime_s, self._stop)
        self._end.daemon = True

    @property
    def endpoint(self) -> str:
        """Scheme, host and port: the value of HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._servers[0].server_address[1]}"

    @property
    def store(self) -> str:
        """Where large files lie; it knows no tokens."""
        return f"http://127.0.0.1:{self._servers[1].server_address[1]}"

    def add(
        self, kind: str, name: str, files: dict[str, bytes], branch: str = "main", **more: Any
    ) -> Repo:
        """A repository (`datasets` or `models`) with one commit; another one where it is there."""
        repo = self.repos.setdefault((kind, name), Repo(kind, name))
        for key, value in more.items():
            setattr(repo, key, value)
        repo.commit(files, branch)
        return repo

    def files(self, kind: str, name: str, revision: str = "main") -> dict[str, bytes]:
        """The files of a repository at a revision."""
        repo = self.repos[kind, name]
        return repo.commits[repo.at(revision) or ""]

    def asked(self, part: str) -> list[str]:
        """Paths that were asked and hold a text."""
        return [path for _, path, _ in self.requests if part in path]

    def __enter__(self) -> Hub:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self._end.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.cancel()
        self._stop()

    def _stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


class _Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        self.status, self.code, self.message, self.headers = status, code, message, headers


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.query = parse_qs(urlsplit(self.path).query)
            path = unquote(urlsplit(self.path).path)
            header = self.headers.get("authorization", "")
            self.token = header.removeprefix("Bearer ").strip()
            length = int(self.headers.get("content-length") or 0)
            self.body = self.rfile.read(length) if length else b""
            if self.headers.get("transfer-encoding") == "chunked":
                self.body = self._chunks()
            hub.requests.append((self.command, self.path, self.token))
            try:
                self._limit(path)
                if self.token and self.token not in hub.tokens:
                    raise _Refused(401, "", "Invalid credentials in Authorization header")
                self._route(path)
            except _Refused as refused:
                headers = {n.replace("_", "-"): v for n, v in refused.headers.items()}
                if refused.code:
                    headers["x-error-code"] = refused.code
                if refused.message:
                    headers["x-error-message"] = refused.message
                self._json({"error": refused.message}, refused.status, headers)
            except OSError:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

        def _chunks(self) -> bytes:
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _limit(self, path: str) -> None:
            with hub.lock:
                for pattern, left in hub.limits.items():
                    if left and fnmatchcase(path, pattern):
                        hub.limits[pattern] = left - 1
                        raise _Refused(429, "", "rate limit", retry_after="0")

        def _json(
            self, value: Any, status: int = 200, headers: dict[str, str] | None = None
        ) -> None:
            self._bytes(
                json.dumps(value).encode(),
                status,
                {"content-type": "application/json"} | (headers or {}),
            )

        def _bytes(self, body: bytes, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "content-length" not in {n.lower() for n in headers}:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
                hub.sent += len(body)

        # --- routes ---------------------------------------------------------------------------

        def _route(self, path: str) -> None:
            parts = path.strip("/").split("/")
            if parts[0] == "lfs":
                return self._blob(parts[1])
            if parts[:2] == ["api", "whoami-v2"]:
                return self._whoami()
            if parts[:3] == ["api", "repos", "create"]:
                return self._create()
            if parts[:2] == ["api", "validate-yaml"]:
                return self._json({"errors": [], "warnings": []})
            if parts[0] == "api" and parts[1] in ("datasets", "models") and len(parts) >= 4:
                return self._api(parts[1], "/".join(parts[2:4]), parts[4:])
            kind = "datasets" if parts[0] == "datasets" else "models"
            rest = parts[1:] if kind == "datasets" else parts
            if len(rest) >= 2 and rest[1].endswith(".git"):
                return self._lfs_batch(kind, f"{rest[0]}/{rest[1].removesuffix('.git')}")
            if len(rest) >= 5 and rest[2] == "resolve":
                return self._resolve(kind, f"{rest[0]}/{rest[1]}", rest[3:])
            raise _Refused(404, "", "Not Found")

        def _repo(self, kind: str, name: str, write: bool = False) -> Repo:
            repo = hub.repos.get((kind, name))
            who = hub.tokens.get(self.token)
            if repo is None or (repo.private and who is None):
                # As the hub does: nobody learns which private repositories there are.
                status = 404 if who else 401
                raise _Refused(status, "RepoNotFound", "Repository not found")
            if write and who is None:
                raise _Refused(401, "", "Invalid username or password.")
            if write and who is not None and who[1] != "write":
                raise _Refused(403, "", "You have read access but not the required permissions")
            return repo

        def _may_read(self, repo: Repo) -> None:
            if repo.gated and not self.token:
                raise _Refused(
                    401, "GatedRepo", f"Access to dataset {repo.name} is restricted. Please log in."
                )
            if repo.gated and self.token not in repo.granted:
                raise _Refused(
                    403,
                    "GatedRepo",
                    f"Access to dataset {repo.name} is restricted: ask for access.",
                )

        def _at(self, repo: Repo, revision: str) -> str:
            sha = repo.at(revision)
            if sha is None:
                raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return sha

        def _whoami(self) -> None:
            who = hub.tokens.get(self.token)
            if who is None:
                raise _Refused(401, "", "Invalid username or password.")
            access = {"accessToken": {"role": who[1], "displayName": "t"}}
            self._json({"type": "user", "name": who[0], "orgs": [], "auth": access})

        def _create(self) -> None:
            asked = json.loads(self.body)
            who = hub.tokens.get(self.token)
            if who is None:
                raise _Refused(401, "", "Invalid username or password.")
            if who[1] != "write":
                raise _Refused(403, "", "You don't have the rights to create a repository")
            kind = f"{asked.get('type', 'model')}s"
            owner = asked.get("organization") or who[0]
            name = f"{owner}/{asked['name']}"
            closed = bool(asked.get("private")) or asked.get("visibility") == "private"
            url = f"{hub.endpoint}/{'datasets/' if kind == 'datasets' else ''}{name}"
            if (kind, name) in hub.repos:
                return self._json({"error": "You already created this repo", "url": url}, 409)
            hub.add(kind, name, {".gitattributes": b""}, private=closed)
            self._json({"url": url, "name": name, "id": name})

        def _api(self, kind: str, name: str, rest: list[str]) -> None:
            what = rest[0] if rest else ""
            if what in ("preupload", "commit"):
                repo = self._repo(kind, name, write=True)
                revision = "/".join(rest[1:]) or "main"
                return self._preupload() if what == "preupload" else self._commit(repo, revision)
            repo = self._repo(kind, name)
            if what in ("", "revision"):
                return self._info(repo, self._at(repo, "/".join(rest[1:]) or "main"))
            if what == "refs":
                branches = [
                    {"name": n, "ref": f"refs/heads/{n}", "targetCommit": c}
                    for n, c in repo.refs.items()
                ]
                return self._json({"branches": branches, "converts": [], "tags": []})
            if what == "tree":
                revision, folder = self._split(repo, rest[1:])
                return self._tree(repo, revision, folder)
            if what == "paths-info":
                return self._paths(repo, self._at(repo, "/".join(rest[1:])))
            raise _Refused(404, "", f"no such call: {what}")

        def _split(self, repo: Repo, parts: list[str]) -> tuple[str, str]:
            """Revision (which may hold slashes) and path."""
            for n in range(len(parts), 0, -1):
                if sha := repo.at("/".join(parts[:n])):
                    return sha, "/".join(parts[n:])
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {parts[0]}")

        def _info(self, repo: Repo, sha: str) -> None:
            card = _card(repo.commits[sha].get("README.md", b""))
            self._json(
                {
                    "_id": "0",
                    "id": repo.name,
                    "sha": sha,
                    "private": repo.private,
                    "gated": "auto" if repo.gated else False,
                    "disabled": False,
                    "tags": [],
                    "cardData": card,
                    "lastModified": "2026-01-01T00:00:00.000Z",
                    "createdAt": "2026-01-01T00:00:00.000Z",
                    "siblings": [{"rfilename": n} for n in sorted(repo.commits[sha])],
                }
            )

        def _entry(self, path: str, body: bytes) -> dict[str, Any]:
            entry: dict[str, Any] = {
                "type": "file",
                "path": path,
                "size": len(body),
                "oid": git_oid(body),
            }
            if is_lfs(path, len(body)):
                sha = hashlib.sha256(body).hexdigest()
                entry["lfs"] = {"oid": sha, "size": len(body), "pointerSize": 130}
            return entry

        def _tree(self, repo: Repo, sha: str, folder: str) -> None:
            files = repo.commits[sha]
            inside = {n: b for n, b in files.items() if not folder or n.startswith(f"{folder}/")}
            if folder and not inside:
                raise _Refused(404, "EntryNotFound", f"{folder} does not exist")
            recursive = self.query.get("recursive", ["false"])[0].lower() == "true"
            entries: dict[str, dict[str, Any]] = {}
            for name, body in sorted(inside.items()):
                below = name[len(folder) + 1 if folder else 0 :].split("/")
                for depth in range(1, len(below)):
                    path = "/".join(filter(None, [folder, *below[:depth]]))
                    oid = hashlib.sha1(path.encode()).hexdigest()
                    entries[path] = {"type": "directory", "path": path, "oid": oid, "size": 0}
                    if not recursive:
                        break
                if recursive or len(below) == 1:
                    entries[name] = self._entry(name, body)
            self._json(list(entries.values()))

        def _paths(self, repo: Repo, sha: str) -> None:
            if self.headers.get("content-type", "").startswith("application/json"):
                wanted = json.loads(self.body)["paths"]
            else:
                wanted = parse_qs(self.body.decode()).get("paths", [])
            files = repo.commits[sha]
            found = []
            for path in wanted:
                if path in files:
                    found.append(self._entry(path, files[path]))
                elif any(n.startswith(f"{path}/") for n in files):
                    found.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
            self._json(found)

        # --- bytes ----------------------------------------------------------------------------

        def _resolve(self, kind: str, name: str, rest: list[str]) -> None:
            repo = self._repo(kind, name)
            sha, path = self._split(repo, rest)
            self._may_read(repo)
            body = repo.commits[sha].get(path)
            if body is None:
                raise _Refused(404, "EntryNotFound", "Entry not found", x_repo_commit=sha)
            headers = {"x-repo-commit": sha, "accept-ranges": "bytes"}
            if not is_lfs(path, len(body)):
                return self._ranged(body, headers | {"etag": f'"{git_oid(body)}"'})
            oid = hashlib.sha256(body).hexdigest()
            hub.blobs[oid] = body
            headers |= {
                "x-linked-etag": f'"{oid}"',
                "x-linked-size": str(len(body)),
                "location": f"{hub.store}/lfs/{oid}",
                "etag": f'"{git_oid(body)}"',
            }
            self._bytes(b"", 302, headers)

        def _blob(self, oid: str) -> None:
            if self.command == "PUT":
                if hashlib.sha256(self.body).hexdigest() != oid:
                    raise _Refused(400, "", "wrong digest")
                hub.blobs[oid] = self.body
                return self._bytes(b"", 200, {})
            if self.token:
                raise _Refused(400, "", "a token was sent to the store of large files")
            if oid not in hub.blobs:
                raise _Refused(404, "", "no such blob")
            self._ranged(hub.blobs[oid], {"etag": f'"{oid}"', "accept-ranges": "bytes"})

        def _ranged(self, body: bytes, headers: dict[str, str]) -> None:
            given = self.headers.get("range", "")
            if not given.startswith("bytes="):
                return self._bytes(body, 200, {"content-length": str(len(body))} | headers)
            first, _, last = given.removeprefix("bytes=").partition("-")
            start = int(first) if first else max(len(body) - int(last), 0)
            end = min(int(last), len(body) - 1) if first and last else len(body) - 1
            if start >= len(body):
                return self._bytes(b"", 416, {"content-range": f"bytes */{len(body)}"})
            part = body[start : end + 1]
            self._bytes(part, 206, headers | {"content-range": f"bytes {start}-{end}/{len(body)}"})

        # --- writing --------------------------------------------------------------------------

        def _preupload(self) -> None:
            files = json.loads(self.body)["files"]
            modes = [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if is_lfs(f["path"], f["size"]) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for f in files
            ]
            self._json({"files": modes})

        def _lfs_batch(self, kind: str, name: str) -> None:
            self._repo(kind, name, write=True)
            objects = [
                {
                    "oid": o["oid"],
                    "size": o["size"],
                    "actions": {"upload": {"href": f"{hub.store}/lfs/{o['oid']}"}},
                }
                for o in json.loads(self.body)["objects"]
            ]
            self._json({"transfer": "basic", "objects": objects})

        def _commit(self, repo: Repo, branch: str) -> None:
            lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
            message = next(line["value"]["summary"] for line in lines if line["key"] == "header")
            files = dict(repo.commits[self._at(repo, branch)])
            for line in lines:
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    if value["oid"] not in hub.blobs:
                        raise _Refused(400, "", f"{value['path']} was not uploaded")
                    files[value["path"]] = hub.blobs[value["oid"]]
                elif line["key"] == "deletedFile":
                    files.pop(value["path"], None)
            sha = repo.commit(files, branch, message)
            folder = "datasets/" if repo.kind == "datasets" else ""
            url = f"{hub.endpoint}/{folder}{repo.name}/commit/{sha}"
            self._json({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _card(readme: bytes) -> dict[str, Any]:
    """The YAML head of a card."""
    import yaml

    text = readme.decode()
    if not text.startswith("---\n"):
        return {}
    return dict(yaml.safe_load(text.split("---\n")[1]) or {})

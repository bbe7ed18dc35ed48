"""Verb ``fetch``: bring the files of one source to their place and record what they are."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from ..config.sources import Hub, Source
from ..endpoints import is_loopback
from ..errors import BabelmixError
from ..io import atomic_path, file_digest, write_json
from ..specs import FetchSpec

#: Where FastChat-shaped benchmarks keep reference answers, beside the questions.
REFERENCES = "reference_answer/gpt-4.jsonl"
#: Tries of a web address, and the first wait between two, in seconds.
URL_TRIES = 5
URL_WAIT_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--spec", required=True, help="FetchSpec as JSON")
    parser.add_argument("--folder", required=True, help="folder for files from the hub")
    parser.add_argument("--output", required=True, help="JSON record of the files")


def run(args: argparse.Namespace) -> None:
    """Fetch or verify the files, write the record."""
    spec = FetchSpec.model_validate_json(args.spec)
    record = fetch(spec, Path(args.folder))
    write_json(args.output, record)
    size = sum(f["bytes"] for f in record["files"].values())
    print(f"fetch {spec.name}: {len(record['files'])} file(s), {size} bytes")


def fetch(spec: FetchSpec, folder: Path) -> dict[str, Any]:
    """Fetch every file of a source; returns its record (JSON values, paths as text).

    ``files`` maps a language (or ``*``, one file for all) to path, sha256 and bytes; ``extra`` maps
    ``references`` and ``references.{lang}`` to files that stand beside them.
    """
    source = spec.source
    files: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for lang, place in places(source).items():
        path = _bring(source, place, spec.name, folder)
        files[lang] = _describe(path, place, source, spec.name)
        if source.adapter in ("mt_bench", "mt_bench_x"):
            beside = _bring_references(source, place, spec.name, folder)
            if beside is not None:
                named = f"{place.rpartition('/')[0]}/{REFERENCES}"
                extra[f"references.{lang}"] = _describe(beside, named, source, spec.name)
    return {
        "source": spec.name,
        "adapter": source.adapter,
        "files": files,
        "extra": extra,
        "licence": source.licence,
        "non_commercial": source.non_commercial,
        "citation": source.citation,
        "hub": source.hub.model_dump(include={"repo", "revision"}) if source.hub else None,
    }


def places(source: Source) -> dict[str, str]:
    """Language (or ``*``) -> path or file name, with ``{lang}`` and ``{LANG}`` substituted."""
    template = source.path or source.file or source.url or ""
    if "{lang}" not in template and "{LANG}" not in template:
        return {"*": template}
    return {
        lang: template.replace("{lang}", lang).replace("{LANG}", lang.upper())
        for lang in source.languages
    }


def _bring(source: Source, place: str, name: str, folder: Path) -> Path:
    if source.hub is not None:
        return download(source.hub, place, name, folder)
    if source.url is not None:
        fetched = download_url(place, name, folder)
        assert fetched is not None, "only an optional file may be absent"
        return fetched
    path = Path(place)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise BabelmixError(
            f"sources.{name}.path: {path} {what}. Mend the path, or set `data_root` (or "
            "BABELMIX_DATA_ROOT) to the folder that holds your data."
        )
    return path


def _bring_references(source: Source, place: str, name: str, folder: Path) -> Path | None:
    """The reference answers beside a question file, if the publisher has them."""
    if source.url is not None:
        return download_url(urljoin(place, REFERENCES), name, folder, optional=True)
    beside = str(Path(place).parent / REFERENCES)
    if source.hub is None:
        return Path(beside) if Path(beside).is_file() else None
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        return download(source.hub, beside, name, folder)
    except RemoteEntryNotFoundError:
        return None


def _describe(path: Path, place: str, source: Source, name: str) -> dict[str, Any]:
    digest = file_digest(path)
    # A key is the file's name or the end of its path; the longest that fits decides.
    keys = [k for k in source.sha256 if f"/{place}".endswith(f"/{k.lstrip('/')}")]
    expected = source.sha256[max(keys, key=len)] if keys else None
    if expected is not None and expected.lower() != digest:
        raise BabelmixError(
            f"sources.{name}: {path} is not the expected file: sha256 is {digest}, "
            f"`sha256` says {expected}. Fetch it again, or correct the digest if the change is "
            "known to you."
        )
    return {"path": str(path), "sha256": digest, "bytes": path.stat().st_size}


def download(hub: Hub, file: str, name: str, folder: Path) -> Path:
    """One file of a dataset repository -> ``folder``; an interrupted download is resumed.

    Raises BabelmixError (offline, gated, unknown repository, revision or token) with the way to
    mend it; a missing ``reference_answer`` file raises the hub's RemoteEntryNotFoundError.
    """
    page = f"https://huggingface.co/datasets/{hub.repo}"
    token = os.environ.get(hub.token_env)
    if hub.gated and not token:
        raise BabelmixError(
            f"sources.{name}: {hub.repo} is gated. Accept its terms on {page}, then put an access "
            f"token into the environment variable {hub.token_env}."
        )
    import huggingface_hub
    from huggingface_hub import errors

    try:
        path = huggingface_hub.hf_hub_download(
            hub.repo,
            file,
            repo_type="dataset",
            revision=hub.revision,
            local_dir=folder,
            token=token or False,
        )
    except errors.GatedRepoError:
        message = f"access to {hub.repo} is not granted to the token in {hub.token_env}. Accept "
        raise BabelmixError(f"sources.{name}: {message}its terms on {page}.") from None
    except errors.RevisionNotFoundError:
        message = f"{hub.repo} has no revision '{hub.revision}'; see {page}/commits/main."
        raise BabelmixError(f"sources.{name}: {message}") from None
    except errors.RemoteEntryNotFoundError:
        if file.endswith(REFERENCES):
            raise
        message = f"{hub.repo} has no file '{file}' at '{hub.revision}'; see {page}/tree/main."
        raise BabelmixError(f"sources.{name}: {message}") from None
    except errors.RepositoryNotFoundError:
        message = f"no dataset {hub.repo} (or it is private and {hub.token_env} has no access); "
        raise BabelmixError(f"sources.{name}: {message}see {page}.") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
        raise BabelmixError(
            f"sources.{name}: {hub.repo}/{file} could not be fetched: {reason} Check the network "
            "(and HF_HUB_OFFLINE); or download the file elsewhere and give it as `path`."
        ) from None
    return Path(path)


def download_url(address: str, name: str, folder: Path, optional: bool = False) -> Path | None:
    """One file from the web -> ``folder``, under its own path, whole or not at all.

    ``optional``: None when the server has no such file. Raises BabelmixError otherwise; rate
    limits, server errors and lost connections are tried again a few times.
    """
    import httpx2
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    parts = urlsplit(address)
    if parts.scheme != "https" and not is_loopback(address):
        raise BabelmixError(f"sources.{name}.url: {address} is not an https address.")
    steps = [step for step in unquote(parts.path).split("/") if step not in ("", ".", "..")]
    target = folder.joinpath(*steps)
    retrying = Retrying(
        retry=retry_if_exception_type(httpx2.TransportError),
        stop=stop_after_attempt(URL_TRIES),
        wait=wait_exponential(multiplier=URL_WAIT_S, max=30),
        reraise=True,
    )
    try:
        status = retrying(_stream, address, target)
    except httpx2.TransportError as error:
        reason = str(error) or type(error).__name__
        raise BabelmixError(
            f"sources.{name}.url: {address} could not be fetched: {reason}. Check the network; or "
            "download the file elsewhere and give it as `path`."
        ) from None
    if status == 404 and optional:
        return None
    if status != 200:
        raise BabelmixError(
            f"sources.{name}.url: {address} could not be fetched: HTTP {status}. Check the address "
            "and its revision."
        )
    return target


def _stream(address: str, target: Path) -> int:
    """Write a response's body to ``target``; returns the status (nothing is written unless 200)."""
    import httpx2

    with httpx2.stream("GET", address, follow_redirects=True, timeout=60.0) as response:
        if response.status_code == 429 or response.status_code >= 500:
            raise httpx2.TransportError(f"HTTP {response.status_code}")
        if response.status_code == 200:
            with atomic_path(target) as temporary, temporary.open("wb") as handle:
                for chunk in response.iter_bytes():
                    handle.write(chunk)
        return int(response.status_code)

"""Verb ``fetch``: bring the files of one source to their place and record what they are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from ..config.builtin import known_digests, pinned_by
from ..config.sources import Source
from ..endpoints import is_loopback
from ..errors import BabelmixError
from ..io import file_digest, write_json
from ..options import add_settings, read_settings
from ..specs import FetchSpec
from . import web
from .hub import Repository
from .places import local_files, saved_features

#: What benchmarks keep beside their questions, by adapter: name in the record -> file.
BESIDE = {
    "mt_bench": {"references": "reference_answer/gpt-4.jsonl"},
    "mt_bench_x": {
        "references": "reference_answer/gpt-4.jsonl",
        "original": "question_original.jsonl",
        "corrections": "corrections.jsonl",
        "judge_prompts": "judge_prompts.jsonl",
        "judge_prompts_v2": "judge_prompts_v2.jsonl",
    },
}
#: Brings one file by its place: (place, optional) -> local path, or None for an absent optional.
Bring = Callable[[str, bool], Path | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, FetchSpec)
    parser.add_argument("--folder", required=True, help="folder for files that are fetched")
    parser.add_argument("--output", required=True, help="JSON record of the files")


def run(args: argparse.Namespace) -> None:
    """Fetch or verify the files, write the record."""
    spec = read_settings(args, FetchSpec)
    record = fetch(spec, Path(args.folder))
    write_json(args.output, record)
    for warning in record["warnings"]:
        print(f"babelmix fetch: warning: {warning}", file=sys.stderr)
    parts = [part for language in record["files"].values() for part in language]
    size = sum(part["bytes"] for part in parts)
    print(f"fetch {spec.name}: {len(parts)} file(s), {size} bytes")


def fetch(spec: FetchSpec, folder: Path) -> dict[str, Any]:
    """Fetch every file of a source; returns its record (JSON values, paths as text).

    ``files`` maps a language (or ``*``, the same for all) to its parts, each path, sha256 and
    bytes; ``extra`` maps ``references.{lang}`` and the like to what stands beside questions.
    ``pinned`` says what holds the files to one version: a ``commit``, ``digest``s, ``copy`` (a
    local file with a built-in's known bytes) or None, which ``warnings`` then speaks of.
    """
    source, name = spec.source, spec.name
    repository = Repository(source.hub, name) if source.hub is not None else None
    bring = _bringer(source, name, folder, repository)
    files: dict[str, list[Any]] = {}
    features: dict[str, Any] = {}
    warnings: list[str] = []
    streamed: Path | None = None
    extra: dict[str, Any] = {}
    for lang, place in places(source).items():
        files[lang] = []
        parts, said = _parts(source, place, name, repository)
        warnings += said
        if repository is not None and source.split is not None and source.take is not None:
            config = place.removesuffix(f"/{source.split}")
            streamed = repository.stream(config, source.split, source.take, folder)
            parts = [str(streamed)]
        for part in parts:
            path = Path(part) if streamed else bring(part, False)
            assert path is not None, "only an optional file may be absent"
            files[lang].append(_describe(path, part, source, name, pinned=bool(source.sha256)))
        features[lang] = repository.features if repository else saved_features(parts[0])
        for kind, file in BESIDE.get(source.adapter, {}).items():
            beside = urljoin(place, file) if source.url else str(Path(place).parent / file)
            path = bring(beside, True)
            if path is not None:
                extra[f"{kind}.{lang}"] = _describe(path, beside, source, name)
    described = [part for parts in files.values() for part in parts]
    pinned = _pinned(source, described)
    return {
        "source": name,
        "builtin": source.builtin,
        "adapter": source.adapter,
        "files": files,
        "extra": extra,
        "repo": source.hub.repo if source.hub else None,
        "commit": repository.commit if repository else None,
        "url": source.url,
        "pinned": pinned,
        "features": {lang: known for lang, known in features.items() if known},
        "warnings": warnings + _warnings(source, name, pinned, repository, described),
    }


def places(source: Source) -> dict[str, str]:
    """Language (or ``*``) -> path or file name, with ``{lang}`` and ``{LANG}`` substituted."""
    template = source.path or source.file or source.url or f"{source.config or ''}/{source.split}"
    if "{lang}" not in template and "{LANG}" not in template:
        return {"*": template}
    return {
        lang: template.replace("{lang}", lang).replace("{LANG}", lang.upper())
        for lang in source.languages
    }


def _parts(
    source: Source, place: str, name: str, repository: Repository | None
) -> tuple[list[str], list[str]]:
    """The files that a place stands for (itself, where it is one), and warnings."""
    if repository is not None:
        if source.split is not None:
            return repository.files_of(place.removesuffix(f"/{source.split}"), source.split), []
        return (repository.matching(place) if "*" in place else [place]), []
    return ([place], []) if source.url else local_files(place, source.split, f"sources.{name}")


def _bringer(source: Source, name: str, folder: Path, repository: Repository | None) -> Bring:
    """How the files of a source come here: from the hub, from the web, or not at all (local)."""
    if repository is not None:
        return lambda place, optional: repository.bring(place, folder, optional)
    if source.url is not None:
        return lambda place, optional: _from_web(source, place, name, folder, optional)
    return lambda place, optional: _local(place, name, optional)


def _local(place: str, name: str, optional: bool) -> Path | None:
    path = Path(place)
    if path.is_file():
        return path
    if optional:
        return None
    raise BabelmixError(f"sources.{name}.path: {path} does not exist. {_MEND}")


_MEND = (
    "Fix the path, or set `data_root` (or BABELMIX_DATA_ROOT) to the folder that holds your data."
)


def _from_web(source: Source, address: str, name: str, folder: Path, optional: bool) -> Path | None:
    """One file from the web -> ``folder``, under its own path; kept where its digest is right."""
    where = f"sources.{name}.url"
    parts = urlsplit(address)
    if parts.scheme != "https" and not is_loopback(address):
        raise BabelmixError(f"{where}: {address} is not an https address.")
    steps = [step for step in unquote(parts.path).split("/") if step not in ("", ".", "..")]
    # One path may give several files (`get?lang=de`); the name keeps its ending, which tells a CSV.
    query = [quote(parts.query, safe="=&")[:200]] if parts.query else []
    target = folder.joinpath(*steps[:-1], *query, *steps[-1:])
    expected = expected_digest(address, source)
    if expected is not None and target.is_file() and file_digest(target) == expected:
        return target
    if web.download(address, target, where):
        return target
    if optional:
        return None
    raise BabelmixError(
        f"{where}: {address} could not be fetched: HTTP 404. Check the address and its revision."
    )


def expected_digest(place: str, source: Source) -> str | None:
    """The SHA-256 that the configuration (or the catalogue) expects of a file.

    A key is the file's name or the end of its path; the longest that fits decides.
    """
    if source.url is not None:
        place = unquote(urlsplit(place).path)
    keys = [k for k in source.sha256 if f"/{place}".endswith(f"/{k.lstrip('/')}")]
    return source.sha256[max(keys, key=len)].lower() if keys else None


def _describe(
    path: Path, place: str, source: Source, name: str, pinned: bool = False
) -> dict[str, Any]:
    """A file's path, digest and size; refused where the digest is another than the expected one.

    ``pinned``: one must be expected, so that a misspelt key is not taken for a check.
    """
    digest = file_digest(path)
    expected = expected_digest(place, source)
    if pinned and expected is None:
        raise BabelmixError(
            f"sources.{name}: no key of `sha256` ({', '.join(source.sha256)[:200]}) is the name of "
            f"{place}, so nothing would check it. Mend the key; the file here has {digest}."
        )
    if expected is not None and expected != digest:
        deleted = ""
        if source.path is None:
            # A wrong file must not be taken for a whole one by the next run.
            web.forget(path)
            deleted = " It was deleted."
        raise BabelmixError(
            f"sources.{name}: {path} is not the expected file: sha256 is {digest}, `sha256` says "
            f"{expected}.{deleted} Fetch it again, or correct the digest if the change is known to "
            "you."
        )
    return {"path": str(path), "sha256": digest, "bytes": path.stat().st_size}


def _pinned(source: Source, described: list[dict[str, Any]]) -> str | None:
    if source.path is not None and not source.sha256:
        known = known_digests(source.builtin)
        return "copy" if all(part["sha256"] in known for part in described) else None
    return pinned_by(source)


def _warnings(
    source: Source,
    name: str,
    pinned: str | None,
    repository: Repository | None,
    described: list[dict[str, Any]],
) -> list[str]:
    """What a person should know of files that nothing pins; local files are the person's own."""
    if pinned is not None or source.path is not None:
        return []
    if repository is not None and source.hub is not None:
        return [
            f"sources.{name}: revision '{source.hub.revision}' of {source.hub.repo} is not pinned "
            f"and may change. Fetched was commit {repository.commit}; to keep it, write it as "
            "`revision`."
        ]
    digests = "; ".join(f"{Path(part['path']).name} {part['sha256']}" for part in described)
    return [
        f"sources.{name}: no `sha256` pins {source.url}, which may change. Fetched was {digests}."
    ]

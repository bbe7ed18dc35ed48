"""Verb ``sources``: list the built-in sources, or say all that is known of one."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..config.builtin import Entry, catalogue, pinned_by
from ..errors import unknown_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("name", nargs="?", help="one source: place, pin, licence, how to use it")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> None:
    """Print the list, or one entry."""
    entries = catalogue()
    if args.name is not None and args.name not in entries:
        raise unknown_name("built-in source", args.name, entries, "sources")
    chosen = entries if args.name is None else {args.name: entries[args.name]}
    if args.json:
        print(json.dumps({n: facts(n, e) for n, e in chosen.items()}, indent=1, ensure_ascii=False))
    elif args.name is None:
        print(table(entries))
    else:
        print(details(args.name, entries[args.name]))


def facts(name: str, entry: Entry) -> dict[str, Any]:
    """All that is known of an entry, as plain values."""
    source = entry.as_source()
    return {
        "name": name,
        "title": entry.title,
        "adapter": source.adapter,
        "languages": source.languages,
        "rows": entry.rows,
        "bytes": entry.bytes,
        "licence": source.licence,
        "non_commercial": source.non_commercial,
        "gated": source.hub is not None and source.hub.gated,
        "pinned": pinned_by(source),
        "place": place_of(source.model_dump()),
        "revision": source.hub.revision if source.hub else None,
        "sha256": source.sha256,
        "citation": source.citation,
        "note": entry.note,
    }


def place_of(source: dict[str, Any]) -> str:
    """Where a source is, as a person can open it."""
    if source["hub"]:
        return f"https://huggingface.co/datasets/{source['hub']['repo']} {source['file']}"
    return str(source["url"] or source["path"])


def size_text(size: int | None) -> str:
    """Bytes for people; `–` where they are not known."""
    if size is None:
        return "–"
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def table(entries: dict[str, Entry]) -> str:
    """The list: a line a source."""
    head = ("name", "rows", "languages", "size", "gated", "pinned by", "licence")
    lines = [head]
    for name, entry in entries.items():
        known = facts(name, entry)
        langs = known["languages"]
        licence = known["licence"].split(",")[0]
        lines.append(
            (
                name,
                f"{known['rows']:,}" if known["rows"] else "–",
                " ".join(langs) if len(langs) <= 5 else str(len(langs)),
                size_text(known["bytes"]),
                "yes" if known["gated"] else "no",
                known["pinned"] or "not pinned",
                licence + (" (non-commercial)" if known["non_commercial"] else ""),
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    shown = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
    shown = [line.rstrip() for line in shown]
    return "\n".join([*shown, "", "`python -m babelmix sources NAME` says all about one."])


def details(name: str, entry: Entry) -> str:
    """One source in full, with the lines that use it."""
    known = facts(name, entry)
    pins = {
        "commit": f"commit {known['revision']}",
        "digest": f"SHA-256 of {len(known['sha256'])} file(s)",
        None: "nothing: no commit is known for certain. The fetch warns and records what it got",
    }
    lines = [
        f"{name}: {entry.title}",
        "",
        f"place      {known['place']}",
        f"pinned by  {pins[known['pinned']]}",
        f"languages  {' '.join(known['languages'])}",
        f"rows       {known['rows'] or 'not known'} a language, as published",
        f"size       {size_text(entry.bytes)}",
        f"licence    {known['licence']}{' (non-commercial)' if known['non_commercial'] else ''}",
        f"cite       {known['citation']}",
    ]
    if known["gated"]:
        page, variable = known["place"].split()[0], entry.source["hub"].get("token_env", "HF_TOKEN")
        lines.append(f"gated      accept the terms on {page}, put a token into {variable}")
    if entry.note:
        lines += ["", entry.note]
    lines += ["", "sources:", f"  {name}: {{builtin: {name}}}"]
    lines += ["", "or with a copy of your own:", "sources:"]
    lines += [f'  {name}: {{builtin: {name}, path: "{{data_root}}/…"}}']
    return "\n".join(lines)

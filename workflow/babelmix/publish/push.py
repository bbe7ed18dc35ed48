"""Verb ``push-to-hub``: upload a dataset, a checkpoint or judgements to the Hugging Face Hub.

The token comes from the environment (``HF_TOKEN``) and must have the right to write. All files come
in one commit. Nothing is deleted in a repository that is there already.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import BabelmixError
from ..io import read_table, write_text
from .card import dataset_card

KINDS = ("dataset", "model", "judgements")
#: What is left behind: hidden files, files that are being written, journals with paid replies.
IGNORED = [".*", "**/.*", "*.tmp", "**/*.tmp", "*.journal*", "**/*.journal*", "*.log", "**/*.log"]
#: Optimizer states and the like, by which a training resumes and which no reader needs.
TRAINING = ["state/**", "global_step*/**", "optimizer*", "scheduler*", "rng_state*", "latest"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--kind", required=True, choices=KINDS, help="what the folder holds")
    parser.add_argument("--folder", required=True, type=Path, help="folder to upload")
    parser.add_argument("--repo", required=True, help="owner/name; made where it is not there")
    parser.add_argument("--public", action="store_true", help="make a new repository public")
    parser.add_argument("--branch", default="main", help="branch to commit to")
    parser.add_argument("--message", default="Upload from Babelmix", help="of the commit")
    parser.add_argument("--token-env", default="HF_TOKEN", help="variable that holds the token")


def run(args: argparse.Namespace) -> None:
    """Check the folder, make the repository, upload."""
    check_folder(args.kind, args.folder)
    token = os.environ.get(args.token_env, "").strip()
    if not token:
        raise BabelmixError(
            f"push-to-hub: {args.token_env} holds no token. Make one with the right to write on "
            "https://huggingface.co/settings/tokens and put it into that variable."
        )
    address = push(
        args.kind,
        args.folder,
        args.repo,
        token,
        private=not args.public,
        branch=args.branch,
        message=args.message,
    )
    print(f"push-to-hub: {args.folder} is {address}")


def check_folder(kind: str, folder: Path) -> None:
    """Raise BabelmixError for a folder that does not hold what it should."""
    if not folder.is_dir():
        raise BabelmixError(f"push-to-hub: {folder} is no folder.")
    if kind == "dataset" and not (folder / "README.md").is_file():
        saved = (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()
        remedy = (
            "It was saved for `load_from_disk`, which the hub does not read: export it again with "
            "`--format parquet`"
            if saved
            else "`export-mixture` writes folders with one"
        )
        raise BabelmixError(f"push-to-hub: {folder} has no card (README.md). {remedy}.")
    if kind == "model" and not list(folder.glob("*.safetensors")):
        raise BabelmixError(
            f"push-to-hub: {folder} holds no weights (*.safetensors). Name the folder of a "
            "finished checkpoint."
        )
    if kind == "judgements" and not list(folder.rglob("*.parquet")):
        raise BabelmixError(
            f"push-to-hub: {folder} holds no judgements (*.parquet). Name the folder "
            "`judgements` of a study, or one of an evaluation in it."
        )


def push(
    kind: str,
    folder: Path,
    repo: str,
    token: str,
    *,
    private: bool,
    branch: str = "main",
    message: str = "Upload from Babelmix",
) -> str:
    """Upload a folder; returns the address of the commit.

    Raises:
        BabelmixError: where the token may not write, or the hub cannot be reached.
    """
    import huggingface_hub

    repo_type = "model" if kind == "model" else "dataset"
    api = huggingface_hub.HfApi(token=token, library_name="babelmix")
    with _in_words(repo), tempfile.TemporaryDirectory() as beside:
        api.create_repo(repo, repo_type=repo_type, private=private, exist_ok=True)
        if branch != "main":
            api.create_branch(repo, branch=branch, repo_type=repo_type, exist_ok=True)
        operations = []
        if kind == "judgements":
            card = Path(beside) / "README.md"
            write_text(card, judgements_card(folder, repo))
            operations.append(huggingface_hub.CommitOperationAdd("README.md", card))
        patterns = ["**/*.parquet", "*.parquet", "**/*.json", "*.json"]
        for path in _files(folder, patterns if kind == "judgements" else ["**/*", "*"], kind):
            name = path.relative_to(folder).as_posix()
            operations.append(huggingface_hub.CommitOperationAdd(name, path))
        done = api.create_commit(
            repo, operations, commit_message=message, repo_type=repo_type, revision=branch
        )
    return str(done.commit_url)


def _files(folder: Path, patterns: list[str], kind: str) -> Iterator[Path]:
    """Files to upload, in order of name."""
    from fnmatch import fnmatchcase

    ignored = IGNORED + (TRAINING if kind == "model" else [])
    for path in sorted({p for pattern in patterns for p in folder.glob(pattern)}):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if path.is_file() and not hidden and not any(fnmatchcase(name, i) for i in ignored):
            yield path


def judgements_card(folder: Path, title: str) -> str:
    """The card of a folder of judgements: one configuration per evaluation."""
    counts: Counter[tuple[str, str]] = Counter()
    files: dict[str, dict[str, str]] = {}
    for path in sorted(folder.rglob("*.parquet")):
        name = path.relative_to(folder)
        evaluation = name.parts[0] if len(name.parts) > 1 else "judgements"
        pattern = f"{evaluation}/**/*.parquet" if len(name.parts) > 1 else "*.parquet"
        files[evaluation] = {"train": pattern}
        for lang in read_table(path, columns=["lang"])["lang"].to_pylist():
            counts[evaluation, lang] += 1
    about = (
        "Verdicts of language models on answers, as Babelmix recorded them: "
        "`score` for single grades, `verdict` and `order` for pairs, `unscored_reason` where a "
        "reply could not be read, and the judge's whole reply in `raw`."
    )
    return dataset_card(title, about, files, counts)


@contextmanager
def _in_words(repo: str) -> Iterator[None]:
    """Say the hub's errors so that they can be fixed; the token is in none of them."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise BabelmixError(
                f"push-to-hub: the token may not write to {repo} (HTTP {status}). Make one with "
                "the right to write, or name a repository of your own."
            ) from None
        said = str(error.server_message or error).strip().splitlines()[0][:200]
        raise BabelmixError(f"push-to-hub: {repo}: HTTP {status}: {said}") from None
    except (OSError, httpx2.HTTPError) as error:
        raise BabelmixError(
            f"push-to-hub: {repo} could not be reached ({str(error)[:200]}). Check the network."
        ) from None

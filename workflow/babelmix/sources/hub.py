"""Files of dataset repositories on the Hugging Face Hub.

The hub's library says what a file is (commit, digest, where it lies) and why it cannot be had; the
bytes come by ``web.download``, because the library starts a killed download from the beginning.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..config.builtin import is_commit
from ..config.sources import Hub
from ..errors import BabelmixError
from ..files.tables import write_rows
from ..io import file_digest
from . import web


class Repository:
    """One repository at one commit; the first request finds the commit of a branch."""

    def __init__(self, hub: Hub, name: str) -> None:
        """``name`` is the source's, for errors. Raises BabelmixError for gated data without key."""
        self.hub = hub
        self.name = name
        #: Columns and types, where the repository's card tells them.
        self.features: dict[str, str] | None = None
        self.commit = hub.revision if is_commit(hub.revision) else None
        self.page = f"https://huggingface.co/datasets/{hub.repo}"
        self.token = os.environ.get(hub.token_env, "").strip()
        if not re.fullmatch(r"[!-~]*", self.token):
            # The request would be refused, with the token in the error.
            raise BabelmixError(
                f"sources.{name}: {hub.token_env} holds signs that no token has (spaces, line "
                "breaks, letters beyond ASCII). Set it to the token alone."
            )
        if hub.gated and not self.token:
            raise BabelmixError(
                f"sources.{name}: {hub.repo} is gated. Accept its terms on {self.page}, then put "
                f"an access token into the environment variable {hub.token_env}; or give a copy of "
                "yours as `path`."
            )

    @property
    def revision(self) -> str:
        """The commit, or what the configuration says as long as no request was made."""
        return self.commit or self.hub.revision

    def _address(self, file: str) -> str:
        """Where a file is, at the commit as soon as that is known: a branch may move on."""
        import huggingface_hub

        return huggingface_hub.hf_hub_url(
            self.hub.repo, file, repo_type="dataset", revision=self.revision
        )

    def matching(self, pattern: str) -> list[str]:
        """Names of the repository's files that fit a pattern with ``*``, in order."""
        with self._mendable(pattern):
            info = self._info()
        self.commit = self.commit or info.sha
        names = [sibling.rfilename for sibling in info.siblings or []]
        literal = pattern.replace("[", "[[]").replace("?", "[?]")  # `*` alone has a meaning
        found = sorted(name for name in names if fnmatchcase(name, literal))
        if not found:
            raise BabelmixError(
                f"sources.{self.name}: {self.hub.repo} has no file that fits '{pattern}' at "
                f"'{self.revision}'; see {self.page}/tree/main."
            )
        return found

    def files_of(self, config: str, split: str) -> list[str]:
        """Names of the files of a split, as the ``datasets`` library finds them.

        ``config`` is empty for the default one. Raises BabelmixError with those that there are.
        """
        builder = self._builder(config)
        found = builder.config.data_files or {}
        if split not in found:
            raise BabelmixError(
                f"sources.{self.name}.split: {self.hub.repo} has no split '{split}' in its "
                f"configuration '{builder.config.name}'; it has {', '.join(map(str, found))}."
            )
        if builder.info.features:
            self.features = {name: str(kind) for name, kind in builder.info.features.items()}
        start = f"hf://datasets/{self.hub.repo}@{self.commit}/"
        names = [str(file).removeprefix(start) for file in found[split]]
        if elsewhere := [name for name in names if "://" in name]:
            raise BabelmixError(
                f"sources.{self.name}: {self.hub.repo} refers to {elsewhere[0]}, which is not in "
                "the repository. Give that place itself as `url` or `hub`."
            )
        return names

    def stream(self, config: str, split: str, rows: int, folder: Path) -> Path:
        """The first ``rows`` rows of a split -> one parquet file, without the rest of its files."""
        import datasets

        self._builder(config)
        name = ".".join(filter(None, [config, split, str(self.commit)[:12], f"first-{rows}"]))
        target = folder / f"{name}.parquet"
        if target.is_file():
            return target
        with self._mendable(f"{config} {split}"), self._in_words(config):
            data = datasets.load_dataset(
                self.hub.repo,
                config or None,
                split=split,
                revision=self.commit,
                token=self.token or False,
                streaming=True,
                cache_dir=str(folder / ".cache"),
            )
            write_rows(target, data.take(rows), data.features)
        return target

    def _builder(self, config: str) -> Any:
        """The library's view of the repository at its commit."""
        self._probe()
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        import datasets

        with self._mendable(config or "default"), self._in_words(config):
            return datasets.load_dataset_builder(
                self.hub.repo,
                config or None,
                revision=self.commit,
                token=self.token or False,
            )

    def _info(self) -> Any:
        """What the hub says of the repository, its files among it."""
        import huggingface_hub

        return patiently(
            huggingface_hub.HfApi().dataset_info,
            self.hub.repo,
            revision=self.revision,
            token=self.token or False,
        )

    def _probe(self) -> None:
        """Find the commit, and whether its files may be read: the library's error would not say."""
        import huggingface_hub

        with self._mendable(""):
            info = self._info()
            self.commit = self.commit or info.sha
            for sibling in (info.siblings or [])[-1:]:
                patiently(
                    huggingface_hub.get_hf_file_metadata,
                    self._address(sibling.rfilename),
                    token=self.token or False,
                )

    @contextlib.contextmanager
    def _in_words(self, config: str) -> Iterator[None]:
        """Say the ``datasets`` library's errors so that they can be fixed."""
        where = f"sources.{self.name}"
        try:
            yield
        except ValueError as error:
            if "BuilderConfig" not in str(error) and "onfig name" not in str(error):
                raise BabelmixError(f"{where}: {self.hub.repo}: {_first_line(error)}") from None
            said = _first_line(error).replace("BuilderConfig ", "configuration ")
            given = f"'{config}'" if config else "left out"
            raise BabelmixError(f"{where}.config ({given}): {self.hub.repo}: {said}") from None
        except RuntimeError as error:
            raise BabelmixError(
                f"{where}: {self.hub.repo}: {_first_line(error)} The hub's own conversion to "
                "parquet is read with `revision: refs/convert/parquet` and "
                "`file: CONFIG/SPLIT/*.parquet`."
            ) from None

    def bring(self, file: str, folder: Path, optional: bool = False) -> Path | None:
        """One file -> ``folder``, checked against the hub's own digest where it tells one.

        ``optional``: None when the repository has no such file. A whole copy that is there already
        is kept when its digest is the hub's.
        """
        import huggingface_hub
        from huggingface_hub import errors

        try:
            with self._mendable(file, optional):
                known = patiently(
                    huggingface_hub.get_hf_file_metadata,
                    self._address(file),
                    token=self.token or False,
                )
        except errors.RemoteEntryNotFoundError:
            return None
        self.commit = self.commit or known.commit_hash
        target = folder.joinpath(*file.split("/"))
        # Large files are known to the hub by their SHA-256, small ones by git's own digest.
        digest = known.etag if re.fullmatch(r"[0-9a-f]{64}", known.etag or "") else None
        if digest is not None and target.is_file() and file_digest(target) == digest:
            return target
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        version = f"{self.commit} {known.etag}" if self.commit and known.etag else None
        where = f"sources.{self.name}"
        if not web.download(self._address(file), target, where, headers=headers, version=version):
            raise BabelmixError(f"{where}: {self.hub.repo}/{file} is gone; run again.")
        if digest is not None and file_digest(target) != digest:
            web.forget(target)
            raise BabelmixError(
                f"{where}: {self.hub.repo}/{file} came damaged (its SHA-256 is not the hub's). It "
                "was deleted; run again."
            )
        return target

    @contextlib.contextmanager
    def _mendable(self, file: str, optional: bool = False) -> Iterator[None]:
        """Say the hub's errors so that they can be mended."""
        import httpx2
        from huggingface_hub import errors

        hub, page, where = self.hub, self.page, f"sources.{self.name}"
        try:
            yield
        except errors.GatedRepoError:
            lacks = (
                f"access to {hub.repo} is not granted to the token in {hub.token_env}"
                if self.token
                else f"{hub.repo} is gated, and {hub.token_env} holds no token"
            )
            raise BabelmixError(
                f"{where}: {lacks}. Accept its terms on {page}, then put a token of yours into "
                f"{hub.token_env}."
            ) from None
        except errors.RevisionNotFoundError:
            raise BabelmixError(
                f"{where}: {hub.repo} has no revision '{hub.revision}'; see {page}/commits/main."
            ) from None
        except errors.RemoteEntryNotFoundError:
            if optional:
                raise
            raise BabelmixError(
                f"{where}: {hub.repo} has no file '{file}' at '{self.revision}'; see "
                f"{page}/tree/main."
            ) from None
        except errors.RepositoryNotFoundError:
            raise BabelmixError(
                f"{where}: no dataset {hub.repo} (or it is private and {hub.token_env} has no "
                f"access); see {page}."
            ) from None
        except (OSError, httpx2.HTTPError) as error:
            text = str(error).strip()
            reason = text.splitlines()[0][:200] if text else repr(error)
            raise BabelmixError(
                f"{where}: {hub.repo}/{file} could not be fetched: {reason} Check the network "
                "(and HF_HUB_OFFLINE); or download the file elsewhere and give it as `path`."
            ) from None


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else repr(error)


def patiently(ask: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """Ask the hub; rate limits and its own errors are waited out a few times."""
    from huggingface_hub.errors import HfHubHTTPError
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    def passing(error: BaseException) -> bool:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
        return status == 429 or status >= 500

    return Retrying(
        retry=retry_if_exception(passing),
        stop=stop_after_attempt(web.TRIES),
        wait=wait_exponential(multiplier=web.WAIT_S, max=60),
        reraise=True,
    )(ask, *args, **more)

"""A server of vLLM for one job: started on a free port of loopback, waited for, asked, stopped.

vLLM pins versions of torch and transformers of its own, so it runs best from an environment of its
own; and behind a server several copies of a model answer together. The server ends with the job,
however the job ends (see ``keeper``).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from ..config.evaluation import Generation
from ..errors import BabelmixError
from .vllm import engine_arguments

#: Environment variable of the key that this job and its server share.
KEY_ENV = "BABELMIX_SERVER_KEY"
#: Requests that one copy of a model works on at once (vLLM's own `max_num_seqs` is of this size).
_AT_ONCE = 256
_PORT_TRIES = 3
_POLL_S = 0.5


class ServerEndedError(BabelmixError):
    """The server ended by itself; the message holds the last lines of its log."""


class Server:
    """One started server: its address, its log, and whether it lives."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    @property
    def base_url(self) -> str:
        """Address of its endpoints."""
        return f"http://127.0.0.1:{self.port}/v1"

    def require_alive(self) -> None:
        """Raise ServerEndedError where it has ended."""
        status = self.process.poll()
        if status is not None:
            raise ServerEndedError(
                f"The server ended (status {status}). Its last lines, of {self.log}:\n"
                f"{self.last_lines()}"
            )

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(line[:300] for line in text.splitlines()[-count:])

    def wait_until_ready(self, patience_s: float) -> None:
        """Wait until `/health` answers; raise BabelmixError where it does not in time.

        `/health` asks for no key, so another job's server on the same port would answer as well:
        ours is the one that takes our key.
        """
        until = time.monotonic() + patience_s
        while True:
            self.require_alive()
            if self._answers("health") and self._answers("v1/models"):
                return
            if time.monotonic() > until:
                raise BabelmixError(
                    f"The server is not ready after {patience_s:g} s (`server_ready_s`). Its last "
                    f"lines, of {self.log}:\n{self.last_lines()}"
                )
            time.sleep(_POLL_S)

    def _answers(self, path: str) -> bool:
        """Whether an endpoint answers with 200 to who has our key."""
        key = {"Authorization": f"Bearer {os.environ.get(KEY_ENV, '')}"}
        request = Request(f"http://127.0.0.1:{self.port}/{path}", headers=key)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, HTTPException, OSError):
            return False

    def stop(self) -> None:
        """Stop it, and wait until it and all that it started have ended."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def command_line(
    generation: Generation, folder: Path, name: str, port: int, trust_remote_code: bool
) -> list[str]:
    """Return the command that serves a checkpoint under a name on a port of loopback."""
    told = engine_arguments(generation, folder, trust_remote_code)
    told |= {"data_parallel_size": generation.data_parallel} if generation.data_parallel > 1 else {}
    command = [*generation.server_command, str(told.pop("model"))]
    command += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", name]
    for key, value in told.items():
        command += _option(key, value)
    return command


def _option(key: str, value: Any) -> list[str]:
    """One option as vLLM's command line has it: `enforce_eager: false` is `--no-enforce-eager`."""
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", json.dumps(value) if isinstance(value, dict | list) else str(value)]


@contextlib.contextmanager
def serving(
    generation: Generation,
    folder: Path,
    name: str,
    trust_remote_code: bool = False,
    log: Path | None = None,
) -> Iterator[tuple[Server, Generation]]:
    """Serve a checkpoint while the block runs; yield the server and how it is asked.

    Only who has the job's own key is served: others on the node are not.
    """
    os.environ[KEY_ENV] = secrets.token_urlsafe(32)
    with contextlib.ExitStack() as held:
        if log is None:
            log = Path(held.enter_context(tempfile.TemporaryDirectory())) / "server.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            server = _start(generation, folder, name, trust_remote_code, log)
            try:
                asked = {"base_url": server.base_url, "key_env": KEY_ENV}
                most = max(generation.concurrency, _AT_ONCE * generation.data_parallel)
                yield server, generation.model_copy(update={**asked, "concurrency": most})
            finally:
                server.stop()
        finally:
            os.environ.pop(KEY_ENV, None)


def _start(
    generation: Generation, folder: Path, name: str, trust_remote_code: bool, log: Path
) -> Server:
    """Start the server and wait for it; on another port where somebody took the first."""
    for attempt in range(1, _PORT_TRIES + 1):
        port = _free_port()
        command = command_line(generation, folder, name, port, trust_remote_code)
        print(f"starting {' '.join(command)} (log: {log})", file=sys.stderr)
        environment = os.environ | {"VLLM_API_KEY": os.environ[KEY_ENV]}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "babelmix.answer.keeper", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=environment,
            )
        server = Server(process, port, log)
        try:
            server.wait_until_ready(generation.server_ready_s)
        except BaseException as error:
            server.stop()
            if process.returncode == 127:
                raise BabelmixError(
                    f"`server_command`: {generation.server_command[0]} cannot be started here "
                    f"({server.last_lines(1)}). Name the `vllm` of the environment that it is "
                    "installed in, as `[/opt/vllm/bin/vllm, serve]`."
                ) from None
            taken = "address already in use" in server.last_lines(50).lower()
            if isinstance(error, ServerEndedError) and taken and attempt < _PORT_TRIES:
                continue
            raise
        return server
    raise AssertionError("unreachable")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

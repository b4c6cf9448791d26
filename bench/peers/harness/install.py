"""Fetches each queue from its ordinary registry by its own client, into a directory of its own.

A driver is (argv, environment): what starts it, to which a job and its settings are appended."""
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
UNREACHABLE = re.compile(
    "ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|NewConnectionError|ConnectTimeoutError|"
    "name resolution|no such host|dial tcp|connection refused|i/o timeout", re.IGNORECASE)


class Skipped(Exception):
    """This queue cannot be measured here; the text says why."""


def need(tool):
    path = shutil.which(tool)
    if path is None:
        raise Skipped(f"{tool} is not installed")
    return path


def step(log, what, argv, cwd, environment):
    """Runs one command of an installation, its output appended to `log`."""
    with open(log, "ab") as out:
        out.write(f"$ {' '.join(map(str, argv))}\n".encode())
        out.flush()
        begin = out.tell()
        try:
            code = subprocess.run(argv, cwd=cwd, env={**os.environ, **environment}, stdout=out,
                                  stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                                  timeout=1800).returncode
        except subprocess.TimeoutExpired:
            raise Skipped(f"`{what}` took too long; see {log}")
    if code != 0:
        with open(log, errors="replace") as text:
            text.seek(begin)
            why = "its registry is not reachable" if UNREACHABLE.search(text.read()) else "failed"
        raise Skipped(f"`{what}`: {why} (exit {code}); see {log}")


def installed(directory, pins, install):
    """Calls `install` unless it has succeeded before for the same files `pins`."""
    digest = hashlib.sha256(b"".join(pin.read_bytes() for pin in pins)).hexdigest()
    stamp = directory / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    install(directory / "install.log")
    stamp.write_text(digest)


def bullmq(directory):
    node, npm = need("node"), need("npm")
    pins = [HERE / "bullmq/package.json", HERE / "bullmq/package-lock.json"]

    def install(log):
        for pin in pins:
            shutil.copy(pin, directory)
        # Not `npm ci`: it refuses registries that lack some other system's optional package.
        step(log, "npm install",
             [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1",
              "--cache", directory / "cache"], directory, {})

    installed(directory, pins, install)
    return [node, HERE / "bullmq/driver.js"], {"NODE_PATH": str(directory / "node_modules")}


def from_pip(source, directory):
    pins = [HERE / source / "requirements.txt"]
    python = directory / "venv/bin/python"

    def install(log):
        step(log, "python3 -m venv", [sys.executable, "-m", "venv", directory / "venv"], directory, {})
        step(log, "pip install",
             [python, "-m", "pip", "install", "--retries", "1", "--disable-pip-version-check",
              "--cache-dir", directory / "cache", "-r", pins[0]], directory, {})

    installed(directory, pins, install)
    return [python, "-B", HERE / source / "driver.py"], {}


def asynq(directory):
    go = need("go")
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "install.log"
    log.unlink(missing_ok=True)
    step(log, "go build", [go, "build", "-o", directory / "driver", "."], HERE / "asynq", {
        "GOPATH": str(directory / "path"), "GOMODCACHE": str(directory / "modules"),
        "GOCACHE": str(directory / "cache"), "GOFLAGS": "-modcacherw -buildvcs=false",
        "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"})
    return [directory / "driver"], {}


def ours(directory, program):
    if program is not None:
        if not os.access(program, os.X_OK):
            raise Skipped(f"{program} is no program")
        return [Path(program).resolve()], {}
    cmake, build = need("cmake"), ROOT / "build/release"
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "install.log"
    log.unlink(missing_ok=True)
    step(log, "cmake --preset release", [cmake, "--preset", "release"], ROOT, {})
    step(log, "cmake --build", [cmake, "--build", build, "--target", "peers_ours"], ROOT, {})
    return [build / "bench/peers/ours"], {}


def driver_of(name, build, our_program):
    """The driver of the queue of this name; Skipped if it cannot be had."""
    directory = build / name
    if name == "ours":
        return ours(directory, our_program)
    if name == "bullmq":
        return bullmq(directory)
    if name == "asynq":
        return asynq(directory)
    return from_pip({"mx-rmq-python": "mx_rmq_python", "saq": "saq"}[name], directory)


def version_of(name):
    """As pinned; of this library as CMakeLists.txt has it."""
    file, pattern = {
        "ours": (ROOT / "CMakeLists.txt", r"VERSION (\d+\.\d+\.\d+)\n"),
        "bullmq": (HERE / "bullmq/package.json", r'"bullmq": "([^"]+)"'),
        "mx-rmq-python": (HERE / "mx_rmq_python/requirements.txt", r"(?m)^mx-rmq==(\S+)"),
        "saq": (HERE / "saq/requirements.txt", r"(?m)^saq==(\S+)"),
        "asynq": (HERE / "asynq/go.mod", r"hibiken/asynq v(\S+)"),
    }[name]
    return re.search(pattern, file.read_text()).group(1)

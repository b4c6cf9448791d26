"""A private redis-server, and what its INFO tells."""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def dies_with_parent():
    """Run in a child before exec: it is killed when this process is gone, however that ended."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RedisServer:
    """Listens on a free port of 127.0.0.1, writes nothing to disk; gone after the with-block."""

    def __init__(self):
        program = os.environ.get("MX_RMQ_REDIS_SERVER", "redis-server")
        if shutil.which(program) is None:
            raise RuntimeError(f"{program} is not installed")
        self._directory = tempfile.mkdtemp(prefix="mxrmq-peers-")
        self._log = os.path.join(self._directory, "log")
        self._process = self._socket = None
        self.holds = None  # (queue, messages) of a backlog that waits to be consumed
        try:
            for attempt in range(5):  # another program may take the port first
                if self._start(program):
                    return
            raise RuntimeError(f"{program} does not start:\n{self._tail()}")
        except BaseException:
            self.close()
            raise

    def _start(self, program):
        self.port = free_port()
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                 "--appendonly", "no", "--dir", self._directory, "--daemonize", "no"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=dies_with_parent)
        end = time.monotonic() + 20
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self._socket = socket.create_connection(("127.0.0.1", self.port), 20)
                self._replies = self._socket.makefile("rb")
                # Somebody else's server on this port would have another process id.
                return int(self.info()["process_id"]) == self._process.pid
            except OSError:
                time.sleep(0.02)
        return False

    def _tail(self):
        with open(self._log, errors="replace") as log:
            return "".join(log.readlines()[-10:])

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self, *words):
        """For commands that answer with a status, a number or a bulk string."""
        request = b"*%d\r\n" % len(words)
        for word in words:
            request += b"$%d\r\n%s\r\n" % (len(word), word.encode())
        self._socket.sendall(request)
        line = self._replies.readline()
        if line[:1] == b"$":
            return self._replies.read(int(line[1:]) + 2)[:-2].decode()
        if line[:1] in b"+:" and line:
            return line[1:].strip().decode()
        raise RuntimeError(f"redis-server answered {line!r} to {words[0]}")

    def info(self):
        pairs = (line.split(":", 1) for line in self.command("INFO", "everything").splitlines()
                 if ":" in line)
        return {key: value.strip() for key, value in pairs}

    def wait_until_alone(self):
        """Until there is no client but this one."""
        end = time.monotonic() + 10
        while int(self.info()["connected_clients"]) > 1:
            if time.monotonic() > end:
                raise RuntimeError("a driver's connections are still there after it ended")
            time.sleep(0.01)

    def empty(self):
        """No data, no scripts, no client but this one."""
        self.wait_until_alone()
        self.holds = None
        self.command("FLUSHALL", "SYNC")
        self.command("SCRIPT", "FLUSH")

    def close(self):
        if self._socket is not None:
            self._socket.close()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

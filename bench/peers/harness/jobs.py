"""Runs the drivers' jobs on an empty Redis, and takes the figures."""
import json
import os
import statistics
import subprocess

from server import dies_with_parent

JOBS = ["single", "produce", "consume", "defaults", "latency", "delayed"]
CONSUMING = ("consume", "defaults")
SAMPLES = {"latency": 300, "delayed": 300}
DELAY = "delay_ms=1000 gap_ms=5"


class Failed(Exception):
    """A driver did not do its job; the text says why."""


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def run_driver(driver, job, url, messages, setting, limit=150):
    """One job: `driver JOB url=... messages=N key=value...`; the JSON that it prints."""
    program, environment = driver
    argv = [*map(str, program), job, f"url={url}", f"messages={messages}", *setting.split()]
    process = subprocess.Popen(argv, env={**os.environ, **environment}, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=dies_with_parent)
    try:
        out, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        raise Failed(f"{job} did not end within {limit} s")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if process.returncode != 0 or len(lines) != 1:
        tail = "\n".join((errors or out).splitlines()[-12:])
        raise Failed(f"{job} ended with {process.returncode}:\n{tail}")
    result = json.loads(lines[0])
    if result["messages"] != messages:
        raise Failed(f"{job}: {result['messages']} messages instead of {messages}")
    return result


def cpu_seconds(info):
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def memory(info):
    """Without the texts of scripts, which are no message's."""
    return int(info["used_memory"]) - int(info.get("used_memory_scripts_eval", 0))


class Bench:
    """One queue's driver on the server."""

    def __init__(self, server, peer, driver, messages):
        self._server, self.peer, self._driver = server, peer, driver
        self.messages = messages or peer.messages
        self._override = messages

    def _timed(self, job, setting, messages):
        """A throughput job, with what it cost Redis."""
        before = self._server.info()
        as_driver = {"single": "produce", "defaults": "consume"}.get(job, job)
        result = run_driver(self._driver, as_driver, self._server.url, messages, setting)
        after = self._server.info()

        def grown(name):
            return (int(after[name]) - int(before[name])) / messages

        return {
            "rate": result["timed"] / result["seconds"],
            "client_us": result["cpu_seconds"] / result["timed"] * 1e6,
            "redis_us": (cpu_seconds(after) - cpu_seconds(before)) / messages * 1e6,
            "commands": grown("total_commands_processed"),
            "reads": grown("total_reads_processed"),
        }

    def produce(self, job, setting, messages):
        self._server.empty()
        empty = memory(self._server.info())
        figures = self._timed(job, setting, messages)
        self._server.wait_until_alone()
        self._server.holds = (self.peer.name, messages)
        figures["bytes"] = (memory(self._server.info()) - empty) / messages
        return figures

    def consume(self, job, messages, settings):
        """Of the backlog that the job before this one left, else of a new one."""
        if self._server.holds != (self.peer.name, messages):
            fill = "produce" if "produce" in self.peer.settings else "single"
            self._server.empty()
            run_driver(self._driver, "produce", self._server.url, messages, settings[fill])
        self._server.holds = None
        return self._timed(job, settings[job], messages)

    def latencies(self, job, setting):
        messages = min(SAMPLES[job], self._override or SAMPLES[job])
        self._server.empty()
        extra = DELAY if job == "delayed" else ""
        samples = run_driver(self._driver, job, self._server.url, messages,
                             f"{setting} {extra}")["ms"]
        if len(samples) != messages:
            raise Failed(f"{job}: {len(samples)} samples of {messages} messages")
        return {"p50": percentile(samples, 0.5), "p99": percentile(samples, 0.99)}

    def measure(self, job, settings, messages=None):
        """The figures of one round of `job` with settings[job]."""
        messages = messages or self.messages
        if job in SAMPLES:
            return self.latencies(job, settings[job])
        if job in CONSUMING:
            return self.consume(job, messages, settings)
        return self.produce(job, settings[job], messages)

    def tune(self, job, settings):
        """The setting, of those to be tried, that is fastest; and the rates of all, the better
        of two trials each."""
        tried = self.peer.settings[job]
        if len(tried) == 1:
            return tried[0], {}
        trial = max(self.messages // 4, min(self.messages, 1000))
        rates = dict.fromkeys(tried, 0)
        for setting in tried * 2:
            rate = self.measure(job, {**settings, job: setting}, trial)["rate"]
            rates[setting] = max(rates[setting], rate)
        return max(rates, key=rates.get), rates


def medians(samples):
    """Of each figure, over the rounds."""
    return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}

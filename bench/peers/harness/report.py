"""The table for people, the ratios, and the JSON file."""
import json
import os
import platform
import sys

from jobs import medians
from peers import BY_NAME, PEERS

PRODUCE = ("produce", "single")
# label, job, figure, format
ROWS = [
    ("produced a second, in batches", "produce", "rate", "{:,.0f}"),
    ("produced a second, one a call", "single", "rate", "{:,.0f}"),
    ("handled a second", "consume", "rate", "{:,.0f}"),
    ("handled a second, by default", "defaults", "rate", "{:,.0f}"),
    ("idle, produce to handler, ms p50", "latency", "p50", "{:.2f}"),
    ("                          ms p99", "latency", "p99", "{:.2f}"),
    ("delayed by 1 s, ms late p50", "delayed", "p50", "{:.1f}"),
    ("                ms late p99", "delayed", "p99", "{:.1f}"),
    ("Redis CPU us, in batches", "produce", "redis_us", "{:.2f}"),
    ("Redis CPU us, one a call", "single", "redis_us", "{:.2f}"),
    ("Redis CPU us, handling", "consume", "redis_us", "{:.2f}"),
    ("client CPU us, in batches", "produce", "client_us", "{:.1f}"),
    ("client CPU us, one a call", "single", "client_us", "{:.1f}"),
    ("client CPU us, handling", "consume", "client_us", "{:.1f}"),
    ("commands, in batches", "produce", "commands", "{:.2f}"),
    ("commands, one a call", "single", "commands", "{:.2f}"),
    ("commands, handling", "consume", "commands", "{:.2f}"),
    ("Redis bytes, queued in batches", "produce", "bytes", "{:.0f}"),
    ("Redis bytes, queued one a call", "single", "bytes", "{:.0f}"),
]
# What this library is to reach against a queue: (queue, ratio, at least).
TARGETS = [("bullmq", "produced in batches", 8), ("bullmq", "handled", 8),
           ("bullmq", "handled by default", 10),
           ("bullmq", "Redis CPU, whole cycle", 8), ("bullmq", "bytes queued", 2),
           ("mx-rmq-python", "produced one a call", 20), ("mx-rmq-python", "handled", 20)]


class Style:
    """Escape sequences, on a terminal only."""

    def __init__(self, stream):
        colour = (stream.isatty() and not os.environ.get("NO_COLOR")
                  and os.environ.get("TERM", "dumb") != "dumb")
        self.bold, self.red, self.green, self.plain = (
            ("\033[1m", "\033[31m", "\033[32m", "\033[0m") if colour else ("",) * 4)


def machine(server_info):
    with open("/proc/cpuinfo") as cpuinfo:
        models = [line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "redis": server_info["redis_version"]}


class Results:
    """queue -> job -> {run, setting, tried, rounds: [figures]}; kept in a file if one is named."""

    def __init__(self, path):
        self._path = path
        self.data = {"queues": {}}
        if path and os.path.exists(path):
            with open(path) as file:
                self.data = json.load(file)

    def entry(self, queue, job):
        return self.data["queues"].get(queue, {}).get("jobs", {}).get(job)

    def begin(self, queue, version, job, entry):
        of_queue = self.data["queues"].setdefault(queue, {"jobs": {}})
        of_queue["version"] = version
        of_queue["jobs"][job] = entry

    def queues(self):
        return [peer.name for peer in PEERS if peer.name in self.data["queues"]]

    def median(self, queue, job, figure):
        """None where it was not measured."""
        entry = self.entry(queue, job)
        return medians(entry["rounds"])[figure] if entry and entry["rounds"] else None

    def ratios(self, queue):
        """How many times better this library is; jobs measured in one and the same run only."""
        def both(job, figure):
            mine, other = self.entry("ours", job), self.entry(queue, job)
            if not (mine and other and mine["run"] == other["run"]):
                return None
            pair = self.median("ours", job, figure), self.median(queue, job, figure)
            return None if None in pair else pair

        found = {}

        def ratio(name, over, under):
            if over is not None and under:
                found[name] = over / under

        for job, name in (("produce", "produced in batches"), ("single", "produced one a call"),
                          ("consume", "handled"), ("defaults", "handled by default")):
            mine, other = both(job, "rate") or (None, None)
            ratio(name, mine, other)
        for name, better in (("idle p50", ("latency", "p50")), ("idle p99", ("latency", "p99"))):
            mine, other = both(*better) or (None, None)
            ratio(name, other, mine)
        # Like for like: in batches where both can.
        way = "produce" if self.entry(queue, "produce") else "single"
        made, done = both(way, "redis_us"), both("consume", "redis_us")
        if made:
            ratio("Redis CPU, producing", made[1], made[0])
        if done:
            ratio("Redis CPU, handling", done[1], done[0])
        if made and done:
            ratio("Redis CPU, whole cycle", made[1] + done[1], made[0] + done[0])
        size = both(way, "bytes")
        if size:
            ratio("bytes queued", size[1], size[0])
        return found

    def save(self):
        for queue, of_queue in self.data["queues"].items():
            for entry in of_queue["jobs"].values():
                entry["medians"] = medians(entry["rounds"]) if entry["rounds"] else {}
            if queue != "ours":
                of_queue["ours_is_times_better"] = self.ratios(queue)
        if self._path:
            with open(self._path + ".new", "w") as file:
                json.dump(self.data, file, indent=1)
                file.write("\n")
            os.replace(self._path + ".new", self._path)


def aligned(rows, style):
    """The first row is the heading, the first column text; a row of one cell stands alone."""
    widths = [max(len(row[i]) for row in rows if len(row) > 1) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        if len(row) == 1:
            print(f"\n{style.bold}{row[0]}{style.plain}")
            continue
        line = row[0].ljust(widths[0]) + "".join(
            "  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
        print(f"{style.bold}{line}{style.plain}" if number == 0 else line)


def show(results):
    style = Style(sys.stdout)
    queues = results.queues()
    rows = [["a message"] + [BY_NAME[queue].title for queue in queues],
            ["version"] + [results.data["queues"][queue]["version"] for queue in queues]]
    for label, job, figure, form in ROWS:
        values = [results.median(queue, job, figure) for queue in queues]
        if any(value is not None for value in values):
            rows.append([label] + ["-" if value is None else form.format(value) for value in values])
    ratios = {queue: results.ratios(queue) for queue in queues if queue != "ours"}
    names = list(dict.fromkeys(name for of_queue in ratios.values() for name in of_queue))
    if names:
        rows.append(["this library is so many times better"])
        for name in names:
            cells = [ratios.get(queue, {}).get(name) for queue in queues]
            rows.append([name] + ["-" if cell is None else f"{cell:.1f}" for cell in cells])
    aligned(rows, style)

    print(f"\n{style.bold}settings{style.plain}")
    for queue in queues:
        of_jobs = results.data["queues"][queue]["jobs"]
        used = "; ".join(f"{job}: {entry['setting']}" for job, entry in of_jobs.items())
        print(f"  {BY_NAME[queue].title}: {used}")
        for note in BY_NAME[queue].notes:
            print(f"    {note}")
    reached = [(queue, name, least, ratios[queue][name]) for queue, name, least in TARGETS
               if name in ratios.get(queue, {})]
    if reached:
        print(f"\n{style.bold}aims{style.plain}")
    for queue, name, least, ratio in reached:
        word = f"{style.green}reached" if ratio >= least else f"{style.red}missed"
        print(f"  {BY_NAME[queue].title}, {name}: {ratio:.1f} of {least}: {word}{style.plain}")

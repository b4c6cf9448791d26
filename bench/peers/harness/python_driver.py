"""What the drivers of Python queues share: the clock, the two latency jobs, the command line."""
import asyncio
import json
import resource
import sys
import time

BODY = "x" * 180


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Meter:
    """Times the messages between the first and the last tenth."""

    def __init__(self, option):
        self.messages = int(option["messages"])
        self.result = asyncio.get_running_loop().create_future()
        self._first = self.messages // 10
        self._last = self.messages - self._first
        self._count = 0
        self._mark()

    def _mark(self):
        self._marked = self._count
        self._begin = time.perf_counter()
        self._cpu = cpu_seconds()

    def add(self):
        self._count += 1
        if self._count == self._last:
            self._timed = {
                "timed": self._count - self._marked,
                "seconds": time.perf_counter() - self._begin,
                "cpu_seconds": cpu_seconds() - self._cpu,
            }
        elif self._count == self._first:
            self._mark()
        if self._count == self.messages:
            self.result.set_result(self._timed)
        if self._count > self.messages:
            sys.exit(f"{self._count} of {self.messages} messages")


async def measure_latency(option, start, send):
    """From produce to the handler of an idle worker, one message at a time."""
    arrival = asyncio.get_running_loop().create_future()

    async def handler(payload):
        arrival.set_result(time.perf_counter())

    await start(handler)
    await asyncio.sleep(0.5)
    samples = []
    for n in range(int(option["messages"])):
        arrival = asyncio.get_running_loop().create_future()
        begin = time.perf_counter()
        await send({"n": n, "body": BODY})
        samples.append((await arrival - begin) * 1e3)
        await asyncio.sleep(0.005)
    return {"ms": samples}


async def measure_delayed(option, start, send):
    """How late the handler is called, with a message every gap_ms, each delayed by delay_ms."""
    messages = int(option["messages"])
    delay, gap = float(option["delay_ms"]) / 1e3, float(option["gap_ms"]) / 1e3
    due, samples = [], []
    done = asyncio.get_running_loop().create_future()

    async def handler(payload):
        samples.append((time.perf_counter() - due[payload["n"]]) * 1e3)
        if len(samples) == messages:
            done.set_result(None)

    await start(handler)
    await asyncio.sleep(0.5)
    begin = time.perf_counter()
    for n in range(messages):
        due.append(time.perf_counter() + delay)
        await send({"n": n, "body": BODY}, delay)
        await asyncio.sleep(begin + (n + 1) * gap - time.perf_counter())
    await done
    return {"ms": samples}


def main(*jobs):
    """Runs the job named first on the command line, with the key=value settings after it."""
    job = {function.__name__: function for function in jobs}[sys.argv[1]]
    option = dict(argument.split("=", 1) for argument in sys.argv[2:])
    result = asyncio.run(job(option))
    print(json.dumps({"job": sys.argv[1], "messages": int(option["messages"]), **result}))

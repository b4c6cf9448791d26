"""saq's part of bench/peers; `run --help` says what a driver is."""
import asyncio
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "harness"))
from python_driver import BODY, Meter, main, measure_delayed, measure_latency  # noqa: E402

from saq import Queue, Worker  # noqa: E402

logging.getLogger("saq").setLevel(logging.ERROR)
GONE_WHEN_DONE = -1  # the time to keep a job that has ended: as the other queues do


def make_queue(option):
    return Queue.from_url(option["url"], max_concurrent_ops=int(option.get("inflight", 20)))


class Running:
    """A worker with one handler, named m."""

    def __init__(self, queue, option, handler):
        async def m(context, *, payload):
            await handler(payload)

        self.worker = Worker(queue, [("m", m)], concurrency=int(option["concurrency"]))
        self.task = asyncio.create_task(self.worker.start())

    async def stop(self):
        await self.worker.stop()
        await self.task


async def produce(option):
    queue = make_queue(option)
    await queue.connect()
    meter = Meter(option)
    numbers = iter(range(meter.messages))

    async def producer():
        for n in numbers:
            await queue.enqueue("m", payload={"n": n, "body": BODY}, ttl=GONE_WHEN_DONE)
            meter.add()

    await asyncio.gather(*(producer() for _ in range(int(option["inflight"]))))
    result = await meter.result
    await queue.disconnect()
    return result


async def consume(option):
    queue = make_queue(option)
    await queue.connect()
    # A worker sweeps when it starts, and would take jobs that it has just fetched for lost ones.
    await queue.sweep()
    meter = Meter(option)

    async def handler(payload):
        meter.add()

    worker = Running(queue, option, handler)
    result = await meter.result
    await worker.stop()
    await queue.disconnect()
    return result


async def latency(option):
    queue = make_queue(option)
    await queue.connect()
    worker = None

    async def start(handler):
        nonlocal worker
        worker = Running(queue, option, handler)

    async def send(payload):
        await queue.enqueue("m", payload=payload, ttl=GONE_WHEN_DONE)

    result = await measure_latency(option, start, send)
    await worker.stop()
    await queue.disconnect()
    return result


async def delayed(option):
    queue = make_queue(option)
    await queue.connect()
    worker = None

    async def start(handler):
        nonlocal worker
        worker = Running(queue, option, handler)

    async def send(payload, delay):
        await queue.enqueue("m", payload=payload, ttl=GONE_WHEN_DONE, scheduled=time.time() + delay)

    result = await measure_delayed(option, start, send)
    await worker.stop()
    await queue.disconnect()
    return result


main(produce, consume, latency, delayed)

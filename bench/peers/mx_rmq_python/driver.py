"""The Python mx-rmq's part of bench/peers; `run --help` says what a driver is."""
import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "harness"))
from python_driver import BODY, Meter, main, measure_delayed, measure_latency  # noqa: E402

from loguru import logger  # noqa: E402
from mx_rmq import MQConfig, RedisMessageQueue  # noqa: E402

# A line for each message produced is its default.
logger.remove()
logger.add(sys.stderr, level="ERROR")


def make_queue(option):
    url = urlsplit(option["url"])
    workers = int(option.get("concurrency", 5))
    return RedisMessageQueue(MQConfig(
        redis_host=url.hostname, redis_port=url.port, redis_max_connections=100,
        max_workers=workers, task_queue_size=int(option.get("prefetch", workers + 1))))


async def produce(option):
    queue = make_queue(option)
    await queue.initialize()
    meter = Meter(option)
    numbers = iter(range(meter.messages))

    async def producer():
        for n in numbers:
            await queue.produce("bench", {"n": n, "body": BODY})
            meter.add()

    await asyncio.gather(*(producer() for _ in range(int(option["inflight"]))))
    result = await meter.result
    await queue.cleanup()
    return result


async def consume(option):
    queue = make_queue(option)
    meter = Meter(option)

    async def handler(payload):
        meter.add()

    queue.register_handler("bench", handler)
    await queue.start_background()
    result = await meter.result
    await queue.stop()
    return result


async def latency(option):
    queue = make_queue(option)

    async def start(handler):
        queue.register_handler("bench", handler)
        await queue.start_background()

    async def send(payload):
        await queue.produce("bench", payload)

    result = await measure_latency(option, start, send)
    await queue.stop()
    return result


async def delayed(option):
    queue = make_queue(option)

    async def start(handler):
        queue.register_handler("bench", handler)
        await queue.start_background()

    async def send(payload, delay):
        await queue.produce("bench", payload, delay=int(delay))  # whole seconds only

    result = await measure_delayed(option, start, send)
    await queue.stop()
    return result


main(produce, consume, latency, delayed)

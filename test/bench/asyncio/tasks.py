"""The programs of `tasks` in asyncio: one program in a process, a line of JSON for its beginning and for each turn.

python3 tasks.py <program> <count>; each line on standard input is a number of jobs.
"""

import asyncio
import gc
import json
import os
import sys
import time
from pathlib import Path

WAKES_AT_ONCE = 1_000
RING_TASKS = 100


async def leaf() -> int:
    return 1


class Spawn:
    """Tasks that are created all at once, and gathered."""

    def __init__(self, count: int) -> None:
        self.memory = None

    async def run(self, jobs: int) -> float:
        start = time.process_time()
        results = await asyncio.gather(*[asyncio.create_task(leaf()) for _ in range(jobs)])
        cpu = time.process_time() - start
        assert sum(results) == jobs
        return cpu


class Ring:
    """One token goes round: each task waits for its own semaphore, and then opens that of the next."""

    def __init__(self, count: int) -> None:
        self.memory = None

    async def run(self, jobs: int) -> float:
        rounds = jobs // RING_TASKS
        start = time.process_time()
        doors = [asyncio.Semaphore(0) for _ in range(RING_TASKS)]
        tasks = [
            asyncio.create_task(self.take_turns(doors[index], doors[(index + 1) % RING_TASKS], rounds))
            for index in range(RING_TASKS)
        ]
        doors[0].release()
        results = await asyncio.gather(*tasks)
        cpu = time.process_time() - start
        assert sum(results) == jobs
        return cpu

    async def take_turns(self, own: asyncio.Semaphore, following: asyncio.Semaphore, rounds: int) -> int:
        for _ in range(rounds):
            await own.acquire()
            following.release()
        return rounds


class Yielding:
    """Tasks that step back for each other with sleep(0): the cheapest way to take turns."""

    def __init__(self, count: int) -> None:
        self.memory = None

    async def run(self, jobs: int) -> float:
        rounds = jobs // RING_TASKS
        start = time.process_time()
        results = await asyncio.gather(*[asyncio.create_task(self.step_back(rounds)) for _ in range(RING_TASKS)])
        cpu = time.process_time() - start
        assert sum(results) == jobs
        return cpu

    async def step_back(self, rounds: int) -> int:
        for _ in range(rounds):
            await asyncio.sleep(0)
        return rounds


class Sleepers:
    """Tasks that each wait for a future, found by key, and wait again when they have been woken."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.waiting: dict[str, asyncio.Future[int]] = {}
        self.begun = self.woken = self.sum = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.order = mixed(count)
        self.next = 0
        self.memory = None

    async def begin(self) -> None:
        gc.collect()
        before = resident_bytes()
        for first in range(0, self.count, WAKES_AT_ONCE):
            for job in range(first, min(first + WAKES_AT_ONCE, self.count)):
                self.tasks.append(asyncio.create_task(self.sleeper(f"key-{job}")))
            await asyncio.sleep(0)
        gc.collect()
        self.memory = None if before is None else {"rssBytesEach": (resident_bytes() - before) / self.count}

    async def sleeper(self, key: str) -> None:
        loop = asyncio.get_running_loop()
        self.begun += 1
        while True:
            future = self.waiting[key] = loop.create_future()
            value = await future
            self.woken += 1
            self.sum += value

    async def run(self, jobs: int) -> float:
        chosen = [self.order[(self.next + index) % self.count] for index in range(jobs)]
        self.next += jobs
        woken, total = self.woken, self.sum
        start = time.process_time()
        for first in range(0, jobs, WAKES_AT_ONCE):
            for job in chosen[first : first + WAKES_AT_ONCE]:
                self.waiting[f"key-{job}"].set_result(job)
            await asyncio.sleep(0)
        cpu = time.process_time() - start
        assert self.begun == self.count
        assert self.woken - woken == jobs
        assert self.sum - total == sum(chosen)
        return cpu


PROGRAMS = {"spawn": Spawn, "ring": Ring, "yielding": Yielding, "sleepers": Sleepers}


def mixed(count: int) -> list[int]:
    """The numbers from 0 in the order that the other sides take."""
    order = list(range(count))
    state = 0x2545F491
    for left in range(count - 1, 0, -1):
        state = (state * 1_664_525 + 1_013_904_223) & 0xFFFF_FFFF
        other = state * (left + 1) >> 32
        order[left], order[other] = order[other], order[left]
    return order


def resident_bytes() -> int | None:
    """Memory of this process, where the system tells it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def tell(value: object) -> None:
    print(json.dumps(value), flush=True)


async def main(name: str, count: int) -> None:
    program = PROGRAMS[name](count)
    if isinstance(program, Sleepers):
        await program.begin()
    tell({"memory": program.memory})
    for line in sys.stdin:
        tell({"cpuUs": await program.run(int(line)) * 1e6})
    # At once: the loop would cancel the sleepers one by one.
    os._exit(0)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))

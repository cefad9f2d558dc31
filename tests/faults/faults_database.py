"""What happens to PostgreSQL under two servers: killed, stopped, frozen, and its sessions ended."""

import asyncio
import random
import signal

from case import case
from cluster import Cluster
from load import OK
from regulars import psql

CLUSTER = Cluster()


def targets(shop):
    return [instance.target for instance in shop.instances]


@case("sigkill-postgres")
async def sigkill(shop):
    """The postmaster is killed, and started again once its children have found out."""
    await shop.open()
    yield
    for _ in range(2):
        await CLUSTER.kill()
        await asyncio.sleep(1)
        await CLUSTER.start()
        shop.load.over(*targets(shop))
        await asyncio.sleep(3)
    yield


@case("stop-immediate")
async def stop_immediate(shop):
    """It is stopped without a word to anybody, as when a machine shuts down in haste."""
    await shop.open()
    yield
    for _ in range(2):
        await CLUSTER.stop("immediate")
        await asyncio.sleep(1)
        await CLUSTER.start()
        shop.load.over(*targets(shop))
        await asyncio.sleep(3)
    yield


@case("freeze-postgres")
async def freeze(shop):
    """All its processes stand still for ten seconds, as when its machine or its disk does."""
    await shop.open()
    yield
    CLUSTER.signal_all(signal.SIGSTOP)
    try:
        await asyncio.sleep(10)
    finally:
        CLUSTER.signal_all(signal.SIGCONT)
    shop.load.over(*targets(shop))
    yield


@case("terminate-backends")
async def terminate(shop):
    """Sessions are ended at random for ten seconds."""
    await shop.open()
    yield
    generator, ended = random.Random(f"{shop.seed}/backends"), 0
    sessions = f"SELECT pid FROM pg_stat_activity WHERE datname = '{shop.database.name}'"
    for _ in range(40):
        found = (await asyncio.to_thread(psql, "postgres", sessions)).split()
        if found:
            chosen = ", ".join(generator.sample(found, min(3, len(found))))
            await asyncio.to_thread(psql, "postgres", f"SELECT pg_terminate_backend(pid) FROM unnest(ARRAY[{chosen}]) AS pid")
            ended += min(3, len(found))
        await asyncio.sleep(0.25)
    shop.note(f"{ended} sessions were ended")
    shop.expect(ended > 0, "no session was ended: nothing was proven")
    shop.load.over(*targets(shop))
    yield

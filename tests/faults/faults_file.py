"""What happens to a SQLite file under one server: its disk is full, and its disk cannot be synced."""

import asyncio
import contextlib
import resource
import signal
import time

from case import case
from load import OK, UNKNOWN
from regulars import small_disk
from shim import FAILED, Shim

MEGABYTE = 1 << 20
# Megabytes of the small disk, and what is left of it when the load begins to fill it.
DISK, LEFT = 32, 1
# Seconds for which the disk is bad.
BAD = 6


async def killed_and_started(shop):
    """Whoever acknowledged something keeps it over a kill, also right after the disk was bad."""
    [instance] = shop.instances
    await instance.kill()
    shop.load.over(instance.target)
    await instance.start()


async def until(holds, seconds):
    """Waits until something is so; whether it is in time."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return holds()


@case("disk-full", engine="SQLite", instances=1)
async def disk_full(shop):
    """The disk is full for a while. As root it is a small tmpfs, else the files may not grow."""
    with contextlib.ExitStack() as stack:
        small = stack.enter_context(small_disk(DISK))
        await shop.open(directory=small[0] if small else None, limits=None if small else fail_writes)
        [instance] = shop.instances
        yield
        if small:
            make_room = fill(small[0])
        else:
            make_room = limit(shop, instance)
        shop.note("a tmpfs" if small else "a limit on the size of files: a small disk needs root")
        begun = time.monotonic()
        is_full = await until(lambda: shop.load.count(UNKNOWN, begun) > 0, 30)
        shop.expect(is_full, "the disk was never full: nothing was proven")
        await asyncio.sleep(BAD)
        shop.expect(not instance.has_ended(), "the server ended on a full disk")
        make_room()
        shop.load.over(instance.target)
        await asyncio.sleep(3)
        await killed_and_started(shop)
        yield


def fail_writes():
    """A write beyond the limit fails, as on a full disk, and ends nobody."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def fill(directory):
    """Takes all of the disk but what is left to the load; answers what gives it back."""
    filler = directory / "filler"
    with open(filler, "wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(MEGABYTE // 4))
            file.flush()
    with open(filler, "r+b") as file:
        file.truncate(max(filler.stat().st_size - LEFT * MEGABYTE, 0))
    return filler.unlink


def limit(shop, instance):
    """No file may grow over what the largest is now and a little more; answers what lifts that."""
    sizes = [file.stat().st_size for file in shop.database.file.parent.glob(f"{shop.database.file.name}*")]
    before = resource.prlimit(instance.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(instance.pid, resource.RLIMIT_FSIZE, (max(sizes) + LEFT * MEGABYTE, before[1]))
    return lambda: resource.prlimit(instance.pid, resource.RLIMIT_FSIZE, before)


@case("fsync-fails", engine="SQLite", instances=1)
async def fsync_fails(shop):
    """Syncs of the database and its log fail with EIO: all for a while, then one in three."""
    shim = Shim(files="proof_")
    await shop.open(variables=[shim.variables])
    [instance] = shop.instances
    yield
    for every in (1, 3):
        begun, failed = time.monotonic(), shim.get(FAILED)
        shim.fail_syncs(every)
        await asyncio.sleep(BAD / 2)
        shim.fail_syncs(0)
        failed = shim.get(FAILED) - failed
        shop.note(f"{failed} syncs failed, {shop.load.count(OK, begun)} answers were good meanwhile")
        shop.expect(failed > 0, "no sync failed: nothing was proven")
        shop.load.over(instance.target)
        await asyncio.sleep(2)
    await killed_and_started(shop)
    yield

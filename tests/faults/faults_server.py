"""What happens to a server: killed, stopped, frozen, out of files or connections, and clients that are in no hurry."""

import asyncio
import contextlib
import resource
import time

from case import case
from load import MIX, OK, UNKNOWN
from regulars import MailServer, psql
from shop import LEASE

# Connections that do nothing, and those that send a byte at a time.
IDLE, SLOW = 300, 200
SLOW_HEAD = b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n"


@case("sigkill-server")
async def sigkill(shop):
    """Each instance is killed in its turn and started again."""
    await shop.open()
    yield
    for instance in shop.instances:
        await instance.kill()
        await asyncio.sleep(1)
        shop.load.over(instance.target)
        await instance.start()
        await asyncio.sleep(2)
    yield


@case("sigterm-server")
async def sigterm(shop):
    """Each instance is asked to stop in its turn: what it has begun it answers, and it leaves with 0."""
    await shop.open()
    yield
    load, cut_off = shop.load, []
    for instance in shop.instances:
        begun = time.monotonic()
        ended = await instance.stop()
        shop.expect(ended.code == 0, f"{instance.name} ended with {ended.code} when it was asked to stop")
        shop.note(f"{instance.name} stopped within {time.monotonic() - begun:.1f} s")
        await asyncio.sleep(1)
        cut_off += [row for row in load.attempts if row[1] >= begun and (row[2], row[5]) == (instance.name, UNKNOWN)]
        load.over(instance.target)
        await instance.start()
        await asyncio.sleep(2)
    yield
    # Whatever is sent to a server after its last look at who is there it cannot answer; what it has done it can.
    done = [row for row in cut_off if load.was_replayed(row[4])]
    shop.note(f"{len(cut_off)} requests that came as their instance stopped had no answer; {len(done)} of them had been done")
    shop.expect(not done, f"{len(done)} requests were done and not answered, such as {done[:1]}")


LEFT_OPEN = f"""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND now() - state_change > interval '{LEASE} s'
"""


# Mails take their time, so that there are always some on their way, and no more than both instances can send.
@case("freeze-server", timeout=4.0, mix=MIX | {"register": 6})
async def freeze(shop):
    """An instance stands still for longer than its jobs are its own. Others take them over, and it must not settle them
    when it goes on."""
    shop.mail_server = MailServer(seconds=1.0)
    port = await shop.mail_server.begin()
    await shop.open(options=("--smtp-url", f"smtp://127.0.0.1:{port}"))
    yield
    frozen, other = shop.instances
    begun = time.monotonic()
    frozen.freeze()
    await asyncio.sleep(LEASE + 5)
    left_open = shop.database.number(LEFT_OPEN)
    shop.note(f"meanwhile the other instance acknowledged {shop.load.count(OK, begun, target=other.name)}")
    # Whatever these have locked the other instance waits for, as long as nobody ends them.
    shop.note(f"{left_open} transactions of the frozen instance were still open after {LEASE + 5} s")
    shop.load.over(frozen.target)
    frozen.thaw()
    await asyncio.sleep(3)
    yield
    shop.expect("a lost lease" in frozen.log(), "the instance held no job when it was frozen: nothing was proven")
    shop.mail_server.server.close()


async def idle(port):
    """A connection that is opened and then left alone, again as soon as the server has sent it away."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await reader.read()
            finally:
                writer.close()
        await asyncio.sleep(0.2)


async def cancelled(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@case("files-exhausted", timeout=5.0)
async def files(shop):
    """Servers that may open few files more than they have, and clients that hold connections."""
    await shop.open()
    yield
    limits = []
    for instance in shop.instances:
        opened, _ = instance.resources()
        limits.append(resource.prlimit(instance.pid, resource.RLIMIT_NOFILE))
        resource.prlimit(instance.pid, resource.RLIMIT_NOFILE, (opened + 20, limits[-1][1]))
    begun = time.monotonic()
    ports = [instance.target.port for instance in shop.instances]
    holding = [asyncio.create_task(idle(port)) for port in ports for _ in range(IDLE)]
    await asyncio.sleep(10)
    answered = shop.load.count(OK, begun), shop.load.count(UNKNOWN, begun)
    shop.note(f"while files were short: {answered[0]} answered, {answered[1]} not")
    shop.expect(answered[1] > 0, "files were never short: nothing was proven")
    await cancelled(holding)
    for instance, (soft, hard) in zip(shop.instances, limits):
        shop.expect(not instance.has_ended(), f"{instance.name} ended for want of files")
        resource.prlimit(instance.pid, resource.RLIMIT_NOFILE, (soft, hard))
    shop.load.over(*(instance.target for instance in shop.instances))
    yield


@case("pool-exhausted", options=("--database-connections", "4"), clients=48)
async def pool(shop):
    """Somebody holds a lock that every request waits for, with all the few connections of the pools."""
    await shop.open()
    yield
    begun = time.monotonic()
    lock = "BEGIN; LOCK TABLE points_accounts IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(12); COMMIT"
    await asyncio.to_thread(psql, shop.database.name, lock)
    unknown = shop.load.count(UNKNOWN, begun)
    shop.expect(unknown > 0, "nobody had to wait for a connection: nothing was proven")
    shop.load.over(*(instance.target for instance in shop.instances))
    yield


async def slow(port, closed):
    """Sends a head byte by byte, or a whole head and then a body byte by byte, again and again."""
    turn = 0
    while True:
        turn += 1
        sent = SLOW_HEAD if turn % 2 else b""
        rest = b"{" * 4000 if turn % 2 else SLOW_HEAD
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(sent)
                ending = asyncio.create_task(reader.read())
                for byte in rest:
                    writer.write(bytes([byte]))
                    await asyncio.wait([ending], timeout=0.3)
                    if ending.done():
                        break
                ending.cancel()
            finally:
                writer.close()
        closed.append(time.monotonic() - begun)


@case("slow-clients")
async def slow_clients(shop):
    """Clients that send a byte now and then are sent away, and the others are served all the same."""
    await shop.open()
    yield
    load, begun, closed = shop.load, time.monotonic(), []
    before = load.count(OK, begun - 2, begun) / 2
    ports = [instance.target.port for instance in shop.instances]
    crawling = [asyncio.create_task(slow(ports[number % 2], closed)) for number in range(SLOW)]
    await asyncio.sleep(20)
    during = load.count(OK, begun) / 20
    await cancelled(crawling)
    load.over(*(instance.target for instance in shop.instances))
    shop.note(f"good answers a second: {before:.0f} before, {during:.0f} beside {SLOW} slow clients")
    shop.expect(during > before / 4, f"{SLOW} slow clients left {during:.0f} of {before:.0f} answers a second")
    shop.expect(load.count(UNKNOWN, begun) == 0, "requests of others had no answer beside slow clients")
    longest = max(closed, default=0)
    shop.note(f"{len(closed)} slow connections were closed, after {longest:.1f} s at most")
    shop.expect(len(closed) >= SLOW / 2, f"only {len(closed)} of {SLOW} slow connections were closed within 20 s")
    yield

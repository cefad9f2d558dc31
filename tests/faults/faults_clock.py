"""Wall clocks that are wrong. The servers' are moved under them; PostgreSQL's, by which leases end, is right.

The architecture promises that nothing is swept and that an instance is not ready while its clock and the database's
differ by more than a minute. So a wrong clock may refuse what it takes for lapsed, and must leave nothing behind."""

import asyncio
import time

from case import case
from shim import DAY, HOUR, MINUTE, Shim

# Seconds for which clocks are wrong. A worker looks for what is due every second.
WRONG = 8
# A hold that is still open is no older than this case.
LAPSED = "SELECT count(*) FROM points_holds WHERE state = 'EXPIRED'"


async def readiness(instance):
    """What `/readyz` answers: the status and the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", instance.target.port)
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body.decode("utf-8", "replace")
    finally:
        writer.close()


def overlapping(load, instances, begun, ended):
    """Who registered at one of these instances at that time. A code that was made by a clock that is behind has ended by
    the right one, and is not sent then."""
    names = {instance.name for instance in instances}
    return {who for who, (name, first, last) in load.registered.items() if name in names and first <= ended and begun <= last}


async def moved(shop, shims, seconds):
    """Moves the clocks of these instances, and back."""
    number, keys = shop.database.number, "SELECT count(*) FROM idempotency_keys"
    before, begun = await asyncio.to_thread(number, keys), time.monotonic()
    for shim in shims:
        shim.move_clock(seconds)
    await asyncio.sleep(WRONG)
    ready = [(await readiness(instance))[0] for instance in shop.instances[: len(shims)]]
    for shim in shims:
        shim.move_clock(0)
    if seconds < 0:
        shop.unmailed |= overlapping(shop.load, shop.instances[: len(shims)], begun, time.monotonic())
    shop.load.over(*(instance.target for instance in shop.instances))
    after, lapsed = await asyncio.to_thread(number, keys), await asyncio.to_thread(number, LAPSED)
    again = [(await readiness(instance))[0] for instance in shop.instances]
    shop.note(f"ready while clocks were wrong: {ready}, then {again}")
    shop.expect(set(ready) == {503}, f"instances with wrong clocks called themselves ready: {ready}")
    shop.expect(set(again) == {200}, f"instances whose clocks are right again are not ready: {again}")
    shop.expect(after >= before, f"{before - after} idempotency keys of today are gone")
    shop.expect(lapsed == 0, f"{lapsed} holds of this minute lapsed")


def clocks(name, seconds, instances=2):
    """A case in which the first instances are so far from the right time."""

    async def act(shop):
        shims = [Shim() for _ in range(2)]
        await shop.open(variables=[shim.variables for shim in shims])
        yield
        # Whoever signed in before the jump may have to do so again; only staff sign in here.
        shop.load.expected = {"pointsAdjust: error UNAUTHENTICATED"}
        await moved(shop, shims[:instances], seconds)
        await shop.sign_in_again()
        yield

    act.__doc__ = f"The clocks of {instances} of 2 instances are wrong by {seconds / HOUR:+,.1f} hours, and then right again."
    case(name)(act)


clocks("clock-hour-ahead", HOUR)
clocks("clock-hour-back", -HOUR)
clocks("clock-400-days", 400 * DAY)
clocks("clocks-10-minutes-apart", 10 * MINUTE, instances=1)

"""An acknowledged mutation survives SIGKILL, and its key is still its key."""

import asyncio
import collections
import itertools
import random
import re
import signal
import time

from regulars import ENGINES, Database, Server, api_key, check, customer, effect, equal, mutate, outcome, verify

KILLS, CUSTOMERS, CLIENTS = 10, 20, 32
BALANCE, EARN, HOLD, REDEEM, ORDER = 1_000_000, 3, 5, 2, 10
# A request cut off by the kill, or one that reached a server that was not there any more.
CUT_OFF = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError)
# Only asking again tells these apart.
UNDECIDED = {"error IDEMPOTENCY_IN_PROGRESS"}


class Load:
    """Clients that earn, hold and capture, redeem, record and pay, each mutation under a key of its own."""

    def __init__(self, key, customers):
        self.key, self.customers, self.numbers = key, customers, itertools.count()
        # By idempotency key: the mutation's field and input; of acknowledged ones also what they did.
        self.unknown, self.acknowledged, self.odd = {}, {}, collections.Counter()
        self.registered, self.retried, self.slowest = set(), collections.Counter(), 0.0

    async def do(self, port, field, given, key=None):
        """One mutation, answered; None if it was refused."""
        key = key or f"{field}-{next(self.numbers)}"
        if field == "pointsEarn":
            given.setdefault("reason", key)
        if field == "pointsRedeem":
            given.setdefault("reference", key)
        self.unknown[key] = (field, given)
        answer = await mutate(port, self.key, field, given, key)
        ended = outcome(answer, field)
        if ended not in ("done", "replayed"):
            self.odd[f"{field}: {ended}"] += ended not in UNDECIDED
            return None
        did = effect(answer, field)
        del self.unknown[key]
        self.acknowledged[key] = (field, given, did)
        return did

    async def earn(self, port, who):
        await self.do(port, "pointsEarn", {"customerId": who, "points": EARN})

    async def redeem(self, port, who):
        await self.do(port, "pointsRedeem", {"customerId": who, "points": REDEEM})

    async def hold(self, port, who):
        given = {"customerId": who, "points": HOLD, "currency": "EUR", "orderValue": "100.00"}
        did = await self.do(port, "pointsHold", given)
        if did:
            await self.do(port, "pointsCapture", {"holdId": did["hold"]})

    async def order(self, port, who):
        line = {"sku": "mug", "name": "Mug", "quantity": 1, "lineTotal": f"{ORDER}.00"}
        external_id = f"order-{next(self.numbers)}"
        given = {"externalId": external_id, "customerId": who, "currency": "EUR", "lines": [line]}
        if await self.do(port, "orderRecord", given):
            await self.do(port, "orderPay", {"externalId": external_id})

    async def register(self, port, _):
        """Queues a job: the mail with the code."""
        email = f"new-{next(self.numbers)}@example.org"
        answer = await mutate(port, None, "customerRegister", {"email": email})
        ended = outcome(answer, "customerRegister")
        self.odd[f"customerRegister: {ended}"] += ended != "done"
        self.registered.add(email)

    async def client(self, port):
        acts = [self.earn, self.redeem, self.hold, self.order]
        while True:
            act = self.register if random.random() < 0.02 else random.choice(acts)
            begun = time.monotonic()
            try:
                await act(port, random.choice(self.customers))
            except CUT_OFF:
                return
            self.slowest = max(self.slowest, time.monotonic() - begun)

    async def until_killed(self, server):
        clients = [asyncio.create_task(self.client(server.port)) for _ in range(CLIENTS)]
        await asyncio.sleep(random.uniform(0.5, 2.0))
        ended = server.kill()
        await asyncio.gather(*clients)
        return ended

    async def settle(self, port):
        """Sends what was cut off again, under the same keys, until each is acknowledged."""
        deadline = time.monotonic() + 30
        while self.unknown and time.monotonic() < deadline:
            for key, (field, given) in list(self.unknown.items()):
                before = len(self.acknowledged)
                await self.do(port, field, given, key)
                self.retried[len(self.acknowledged) - before] += 1
        equal(len(self.unknown), 0, "mutations still unknown after asking again")

    async def replay(self, port):
        """Sends every acknowledged mutation again: each answers as before, and does nothing."""
        waiting, ends = list(self.acknowledged.items()), collections.Counter()

        async def client():
            while waiting:
                key, (field, given, did) = waiting.pop()
                answer = await mutate(port, self.key, field, given, key)
                ended = outcome(answer, field)
                same = ended == "replayed" and effect(answer, field) == did
                if ended == "replayed" and not same:
                    ended = f"{field} answers {effect(answer, field)} after {did}"
                ends[ended] += 1

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        equal(dict(ends), {"replayed": len(self.acknowledged)}, "acknowledged mutations sent again, answered as before")

    def count(self, field):
        return sum(done == field for done, _, _ in self.acknowledged.values())

    def points(self, field):
        return sum(did["points"] for done, _, did in self.acknowledged.values() if done == field)


def one_effect_a_key(database, load):
    """Counts what is in the database against what was acknowledged: no more and no less."""
    earns, redeems, holds = load.count("pointsEarn"), load.count("pointsRedeem"), load.count("pointsHold")
    captures, orders, pays = load.count("pointsCapture"), load.count("orderRecord"), load.count("orderPay")
    rewards = "FROM points_holds WHERE reference IS NOT NULL"
    captured = "kind = 'CAPTURE' AND hold_id IN (SELECT id FROM points_holds WHERE reference IS NULL)"
    for what, sql, expected in (
        ("earns", "SELECT count(*) FROM points_entries WHERE kind = 'EARN' AND order_id IS NULL", earns),
        ("keys of earns", "SELECT count(DISTINCT reason) FROM points_entries WHERE kind = 'EARN'", earns),
        ("redemptions", f"SELECT count(*) {rewards}", redeems),
        ("keys of redemptions", f"SELECT count(DISTINCT reference) {rewards}", redeems),
        ("holds", "SELECT count(*) FROM points_holds WHERE reference IS NULL", holds),
        ("captures", f"SELECT count(*) FROM points_entries WHERE {captured}", captures),
        ("captured holds", f"SELECT count(DISTINCT hold_id) FROM points_entries WHERE {captured}", captures),
        ("orders", "SELECT count(*) FROM orders", orders),
        ("lines of orders", "SELECT count(*) FROM order_lines", orders),
        ("paid orders", "SELECT count(*) FROM orders WHERE state = 'PAID'", pays),
        ("earns of orders", "SELECT count(*) FROM points_entries WHERE kind = 'EARN' AND order_id IS NOT NULL", pays),
        ("idempotency keys", "SELECT count(*) FROM idempotency_keys WHERE result IS NOT NULL", len(load.acknowledged) + CUSTOMERS),
        ("unfinished keys", "SELECT count(*) FROM idempotency_keys WHERE result IS NULL", 0),
        ("events of earns", "SELECT count(*) FROM outbox WHERE topic = 'points.earned'", earns + pays),
        ("events of redemptions", "SELECT count(*) FROM outbox WHERE topic = 'points.redeemed'", redeems),
        ("events of holds", "SELECT count(*) FROM outbox WHERE topic = 'points.held'", holds),
        ("events of captures", "SELECT count(*) FROM outbox WHERE topic = 'points.captured'", captures),
        ("events of orders", "SELECT count(*) FROM outbox WHERE topic = 'order.recorded'", orders),
        ("events of payments", "SELECT count(*) FROM outbox WHERE topic = 'order.paid'", pays),
    ):
        equal(database.number(sql), expected, what)


async def nothing_is_stuck(database):
    """Waits until every event has its position and every job is done or waits for its time."""
    begun = time.monotonic()
    open_events = "SELECT count(*) FROM outbox WHERE position IS NULL"
    while database.number(open_events) and time.monotonic() < begun + 60:
        await asyncio.sleep(0.2)
    equal(database.number(open_events), 0, f"events without a position after {time.monotonic() - begun:.1f} s")
    [[count, least, most, distinct]] = database.rows(
        "SELECT count(*), min(position), max(position), count(DISTINCT position) FROM outbox"
    )
    equal((least, most, distinct), ("1", count, count), "positions: first, last, how many")
    # A job that was running when its server was killed comes back when its lease of a minute ends.
    mails = "SELECT count(*) FROM jobs WHERE kind = 'mail'"
    while database.number(mails) and time.monotonic() < begun + 120:
        await asyncio.sleep(0.5)
    equal(database.number(mails), 0, f"mails still queued after {time.monotonic() - begun:.1f} s")
    equal(database.number("SELECT count(*) FROM jobs WHERE state = 'DEAD'"), 0, "dead jobs")
    recurring = database.rows("SELECT kind, count(*) FROM jobs GROUP BY kind ORDER BY kind")
    check(recurring and all(count == "1" for _, count in recurring), f"recurring jobs, one of each: {recurring}")
    late = (time.time() - 75) * 1000
    equal(database.number(f"SELECT count(*) FROM jobs WHERE due_ms < {late:.0f}"), 0, "jobs overdue by more than a lease")


async def proof(engine):
    database = Database(engine)
    key = api_key(database, "customers:read", "customers:write", "points:write", "orders:read", "orders:write")
    server = Server(database).up()
    load = Load(key, [await customer(server.port, key, f"c{n}") for n in range(CUSTOMERS)])
    for who in load.customers:
        await load.do(server.port, "pointsEarn", {"customerId": who, "points": BALANCE})
    logs, cut_off, restarts, begun = [], 0, [], time.monotonic()
    for kill in range(KILLS):
        ended = await load.until_killed(server)
        equal(ended.code, -signal.SIGKILL, f"kill {kill + 1}: {len(load.acknowledged)} acknowledged, {len(load.unknown)} cut off")
        logs.append(ended.err)
        cut_off += len(load.unknown)
        server = Server(database).up()
        restarts.append(server.seconds)
        await load.settle(server.port)
    seconds = time.monotonic() - begun
    equal(dict(+load.odd), {}, "answers that were neither done nor cut off")
    check(len(load.acknowledged) > KILLS * 20, f"there was load: {len(load.acknowledged)} mutations were acknowledged")
    check(cut_off > 0, f"requests were cut off: {cut_off}")
    await load.replay(server.port)
    await nothing_is_stuck(database)
    stopped = server.stop()
    equal(stopped.code, 0, "exit code of the stopped server")
    logs.append(stopped.err)
    mailed = set(re.findall(r"mail to (new-\d+@example\.org)", "\n".join(logs)))
    equal(len(load.registered - mailed), 0, f"acknowledged registrations without their mail, of {len(load.registered)}")
    check(not any("panicked" in log for log in logs), "no panic")
    one_effect_a_key(database, load)
    earned = load.points("pointsEarn") + ORDER * load.count("orderPay")
    redeemed = REDEEM * load.count("pointsRedeem") + HOLD * load.count("pointsCapture")
    held = HOLD * (load.count("pointsHold") - load.count("pointsCapture"))
    ledger = verify(database)
    equal(ledger.value("issued"), str(-earned), "points issued")
    equal(ledger.value("redeemed"), str(redeemed), "points redeemed")
    equal(ledger.value("held"), str(held), "points held")
    equal(ledger.value("available"), str(earned - redeemed - held), "points available")
    return (
        f"{engine:<11} {KILLS} kills in {seconds:.0f} s, {len(load.acknowledged)} mutations acknowledged, {cut_off} cut off and "
        f"asked again, 0 lost, 0 twice; up again in {max(restarts):.1f} s at most; slowest flow {load.slowest:.2f} s"
    )


results = []
for engine in ENGINES:
    print(f"{engine}: {KILLS} kills")
    results.append(asyncio.run(proof(engine)))
print("\n".join(results))

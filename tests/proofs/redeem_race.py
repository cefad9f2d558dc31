"""Nobody spends a point twice."""

import asyncio
import collections
import time

from regulars import ENGINES, Database, Server, api_key, check, customer, earn, equal, outcome, redeem, verify

BALANCE, REQUESTS, DUPLICATES = 100, 2_000, 50


async def race(ports, key):
    joan = await customer(ports[0], key, "joan")
    equal(outcome(await earn(ports[0], key, joan, BALANCE, "grant"), "pointsEarn"), "done", "100 points granted")
    begun = time.monotonic()
    answers = await asyncio.gather(
        *(redeem(ports[n % len(ports)], key, joan, 1, f"race-{n}") for n in range(REQUESTS)),
        return_exceptions=True,
    )
    seconds = time.monotonic() - begun
    lost = [answer for answer in answers if isinstance(answer, BaseException)]
    check(not lost, f"every request was answered {lost[:3]}")
    outcomes = collections.Counter(outcome(answer, "pointsRedeem") for answer in answers)
    expected = {"done": BALANCE, "INSUFFICIENT_POINTS": REQUESTS - BALANCE}
    equal(dict(outcomes), expected, f"outcomes of {REQUESTS} redemptions at once, in {seconds:.1f} s")

    jan = await customer(ports[0], key, "jan")
    equal(outcome(await earn(ports[0], key, jan, BALANCE, "grant-2"), "pointsEarn"), "done", "100 points granted")
    same = await asyncio.gather(*(redeem(ports[n % len(ports)], key, jan, 7, "same") for n in range(DUPLICATES)))
    outcomes = collections.Counter(outcome(answer, "pointsRedeem") for answer in same)
    equal(dict(outcomes), {"done": 1, "replayed": DUPLICATES - 1}, f"outcomes of one key {DUPLICATES} times at once")
    body = same[0][1]["data"]["pointsRedeem"]
    equal(body["account"]["available"], BALANCE - 7, "points left")


for engine in ENGINES:
    instances = 2 if engine == "PostgreSQL" else 1
    print(f"{engine}: {instances} server{'s' if instances > 1 else ''}")
    database = Database(engine)
    key = api_key(database, "customers:write", "points:write")
    servers = [Server(database) for _ in range(instances)]
    asyncio.run(race([server.port for server in servers], key))
    for server in servers:
        equal(server.stop().code, 0, "exit code of a stopped server")
    ledger = verify(database)
    equal(ledger.value("redeemed"), str(BALANCE + 7), "points redeemed")
    equal(ledger.value("available"), str(BALANCE - 7), "points available")

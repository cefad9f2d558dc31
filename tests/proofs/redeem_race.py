"""Nobody spends a point twice."""

import asyncio
import collections
import time

from regulars import ENGINES, Database, Server, api_key, check, customer, earn, effect, equal, outcome, redeem, verify

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
    equal([repr(answer) for answer in lost[:3]], [], f"requests without an answer, of {len(answers)}")
    equal(sum(status >= 500 for status, _ in answers), 0, "answers with HTTP 5xx")
    outcomes = collections.Counter(outcome(answer, "pointsRedeem") for answer in answers)
    expected = {"done": BALANCE, "INSUFFICIENT_POINTS": REQUESTS - BALANCE}
    equal(dict(outcomes), expected, f"outcomes of {REQUESTS} redemptions at once, in {seconds:.1f} s")
    holds = {effect(answer, "pointsRedeem")["hold"] for answer in answers if outcome(answer, "pointsRedeem") == "done"}
    equal(len(holds), BALANCE, "different redemptions")
    return seconds


async def one_key(ports, key):
    jan = await customer(ports[0], key, "jan")
    equal(outcome(await earn(ports[0], key, jan, BALANCE, "grant-2"), "pointsEarn"), "done", "100 points granted")
    same = await asyncio.gather(*(redeem(ports[n % len(ports)], key, jan, 7, "same") for n in range(DUPLICATES)))
    outcomes = collections.Counter(outcome(answer, "pointsRedeem") for answer in same)
    # A duplicate may be told to ask again later; here it is soon enough for all.
    waiting = outcomes.pop("error IDEMPOTENCY_IN_PROGRESS", 0)
    equal(dict(outcomes), {"done": 1, "replayed": DUPLICATES - 1 - waiting}, f"outcomes of one key {DUPLICATES} times at once")
    done = [effect(answer, "pointsRedeem") for answer in same if outcome(answer, "pointsRedeem") in ("done", "replayed")]
    equal(len({tuple(sorted(did.items())) for did in done}), 1, f"different answers of {len(done)}")
    again = await redeem(ports[0], key, jan, 7, "same")
    equal(effect(again, "pointsRedeem"), done[0], "the same answer once more")
    equal(again[1]["data"]["pointsRedeem"]["account"]["available"], BALANCE - 7, "points left")


results = []
for engine in ENGINES:
    instances = 2 if engine == "PostgreSQL" else 1
    print(f"{engine}: {instances} server{'s' if instances > 1 else ''}")
    database = Database(engine)
    key = api_key(database, "customers:read", "customers:write", "points:write")
    servers = [Server(database).up() for _ in range(instances)]
    ports = [server.port for server in servers]
    seconds = asyncio.run(race(ports, key))
    asyncio.run(one_key(ports, key))
    for server in servers:
        stopped = server.stop()
        equal(stopped.code, 0, "exit code of a stopped server")
        check("panicked" not in stopped.err, "no panic")
    equal(database.number("SELECT count(*) FROM points_holds WHERE reference = 'same'"), 1, "effects of the one key")
    ledger = verify(database)
    equal(ledger.value("redeemed"), str(BALANCE + 7), "points redeemed")
    equal(ledger.value("available"), str(BALANCE - 7), "points available")
    results.append(
        f"{engine:<11} {instances} server{'s' if instances > 1 else ' '}: {REQUESTS} at once in {seconds:.1f} s "
        f"({REQUESTS / seconds:.0f}/s): {BALANCE} done, {REQUESTS - BALANCE} INSUFFICIENT_POINTS, 0 with HTTP 5xx"
    )
print("\n".join(results))

"""An acknowledged mutation survives SIGKILL, and its key is still its key."""

import asyncio
import collections
import random
import signal

from regulars import ENGINES, Database, Server, api_key, check, customer, earn, equal, outcome, verify

KILLS, CUSTOMERS, CLIENTS, POINTS = 10, 20, 32, 3


class Load:
    """Clients that grant points, each grant under a key of its own, and remember what was acknowledged."""

    def __init__(self, key, customers):
        self.key, self.customers, self.count = key, customers, 0
        self.acknowledged, self.unknown, self.odd = {}, {}, collections.Counter()

    async def client(self, port):
        while True:
            self.count += 1
            grant, to = f"grant-{self.count}", random.choice(self.customers)
            self.unknown[grant] = to
            try:
                ended = outcome(await earn(port, self.key, to, POINTS, grant), "pointsEarn")
            except (OSError, asyncio.TimeoutError, ValueError):
                # The server was killed: whether this grant is in the ledger is what nobody knows yet.
                return
            if ended == "done":
                self.acknowledged[grant] = self.unknown.pop(grant)
            else:
                self.odd[ended] += 1

    async def until_killed(self, server):
        clients = [asyncio.create_task(self.client(server.port)) for _ in range(CLIENTS)]
        await asyncio.sleep(random.uniform(0.5, 2.0))
        code = server.kill().code
        await asyncio.gather(*clients)
        return code

    async def ask_again(self, port, grants):
        """Sends grants again under their keys; answers how they ended."""
        ends = collections.Counter()
        waiting = list(grants.items())

        async def client():
            while waiting:
                grant, to = waiting.pop()
                ends[outcome(await earn(port, self.key, to, POINTS, grant), "pointsEarn")] += 1

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return ends


async def proof(engine):
    database = Database(engine)
    key = api_key(database, "customers:write", "points:write")
    server = Server(database)
    customers = [await customer(server.port, key, f"c{n}") for n in range(CUSTOMERS)]
    load = Load(key, customers)
    for kill in range(KILLS):
        equal(await load.until_killed(server), -signal.SIGKILL, f"kill {kill + 1}, {len(load.acknowledged)} acknowledged")
        server = Server(database)
    equal(dict(load.odd), {}, "answers that were neither done nor cut off")
    check(len(load.acknowledged) > KILLS * 20, f"there was load: {len(load.acknowledged)} grants were acknowledged")

    again = await load.ask_again(server.port, load.acknowledged)
    equal(dict(again), {"replayed": len(load.acknowledged)}, "acknowledged grants sent again")
    unknown = await load.ask_again(server.port, load.unknown)
    check(set(unknown) <= {"done", "replayed"}, f"grants cut off, sent again: {dict(unknown)}")
    equal(server.stop().code, 0, "exit code of the stopped server")
    ledger = verify(database)
    total = POINTS * (len(load.acknowledged) + len(load.unknown))
    equal(ledger.value("available"), str(total), "points available: every grant once")


for engine in ENGINES:
    print(f"{engine}: {KILLS} kills")
    asyncio.run(proof(engine))

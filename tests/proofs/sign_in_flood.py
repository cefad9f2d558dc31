"""A flood of sign-ins takes neither the memory nor the API."""

import asyncio
import collections
import statistics
import time

from regulars import ENGINES, Database, Samples, Server, check, equal, request

SIGN_INS, MEMORY = 200, 400_000_000
CHEAP = "{ shop { name } }"
SIGN_IN = """mutation ($input: SignInWithPasswordInput!) { signInWithPassword(input: $input) {
    customerId userErrors { code } } }"""


async def sign_in(port, n):
    given = {"email": f"nobody-{n}@example.org", "password": "a wrong password"}
    status, body = await request(port, None, SIGN_IN, {"input": given})
    if status != 200 or body.get("errors"):
        return f"HTTP {status} {body['errors'][0]['extensions']['code']}"
    return body["data"]["signInWithPassword"]["userErrors"][0]["code"]


async def cheap_queries(port, until):
    """Asks fifty times a second, whether the answers come or not, until `until` is done; answers how long each took."""
    seconds, asked = [], set()

    async def ask():
        begun = time.perf_counter()
        status, body = await request(port, None, CHEAP, {})
        seconds.append(time.perf_counter() - begun)
        if status != 200 or body.get("errors"):
            check(False, f"the cheap query was answered: {status} {body}")

    while not until.done():
        task = asyncio.create_task(ask())
        asked.add(task)
        await asyncio.sleep(0.02)
    await asyncio.gather(*asked)
    return seconds


def p99(seconds):
    return statistics.quantiles(seconds, n=100)[98]


async def flood(port):
    idle = await cheap_queries(port, asyncio.create_task(asyncio.sleep(6)))
    begun = time.monotonic()
    sign_ins = asyncio.gather(*(sign_in(port, n) for n in range(SIGN_INS)))
    loaded = await cheap_queries(port, sign_ins)
    took = time.monotonic() - begun
    return idle, loaded, collections.Counter(await sign_ins), took


results = []
for engine in ENGINES:
    print(engine)
    database = Database(engine)
    server = Server(database).up()
    samples = Samples(server.process)
    idle, loaded, outcomes, took = asyncio.run(flood(server.port))
    equal(dict(outcomes), {"INVALID_CREDENTIALS": SIGN_INS}, f"answers to {SIGN_INS} sign-ins at once, in {took:.1f} s")
    equal(server.stop().code, 0, "exit code of a stopped server")
    most = samples.peaks(1)[0]
    check(most < MEMORY, f"memory stayed under {MEMORY // 1_000_000} MB: {most / 1e6:.0f} MB")
    told = (
        f"{engine:<11} {SIGN_INS} sign-ins at once in {took:.1f} s, {most / 1e6:.0f} MB at most; a cheap query: p99 "
        f"{p99(idle) * 1e3:.1f} ms idle ({len(idle)} asked), {p99(loaded) * 1e3:.1f} ms meanwhile ({len(loaded)} asked)"
    )
    check(len(loaded) >= 20, "cheap queries were asked meanwhile")
    results.append(told)
print("\n".join(results))

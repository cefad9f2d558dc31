"""Nobody learns from an answer, nor from its time, whether an address is known."""

import asyncio
import http.client
import json
import random
import statistics
import time

from regulars import ENGINES, Database, Server, api_key, check, equal, request

TIMINGS, KNOWN, RESAMPLES = 500, 250, 10_000
PASSWORD = "a horse with no battery"
# A median may differ by so much of itself.
TOLERANCE = 0.05

REGISTER = """mutation ($input: CustomerRegisterInput!) { customerRegister(input: $input) {
    status challengeId userErrors { code field message } } }"""
PROVE = "mutation ($input: MailboxProveInput!) { mailboxProve(input: $input) { customerId userErrors { code } } }"
SIGN_IN = """mutation ($input: SignInWithPasswordInput!) { signInWithPassword(input: $input) {
    tokens { accessToken } customerId userErrors { code field message } } }"""
RESET = """mutation ($input: PasswordResetRequestInput!) { passwordResetRequest(input: $input) {
    status challengeId userErrors { code field message } } }"""
CLAIM = """mutation ($input: AccountCreateFromOrderInput!) { accountCreateFromOrder(input: $input) {
    status challengeId userErrors { code field message } } }"""
ORDER = """mutation ($input: OrderRecordInput!) { orderRecord(input: $input) {
    order { claimToken } userErrors { code message } } }"""


def code_of(database, server, address):
    """The code that was mailed: in development, without a mail server, mails go to the log."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for line in server.log().splitlines():
            entry = json.loads(line)
            text = entry.get("fields", entry).get("message", "")
            if text.startswith(f"mail to {address}:"):
                digits = [word for word in text.split() if len(word) == 6 and word.isdigit()]
                if digits:
                    return digits[-1]
        time.sleep(0.05)
    check(False, f"a code was mailed to {address}")


async def post(port, query, given, key=None):
    status, body = await request(port, key, query, {"input": given})
    check_errors = isinstance(body, dict) and not body.get("errors")
    if status != 200 or not check_errors:
        check(False, f"an operation ran: {status} {body}")
    return next(iter(body["data"].values()))


async def tokens_of(port, key, addresses, each):
    """Claim tokens of orders of these addresses, while nobody has proven them."""
    tokens = []
    for address in addresses:
        for m in range(each):
            line = {"sku": "A-1", "name": "Tea", "quantity": 1, "lineTotal": "10.00"}
            order = {"externalId": f"{address}-{m}", "email": address, "currency": "EUR", "lines": [line]}
            recorded = await post(port, ORDER, dict(order, idempotencyKey=f"order-{address}-{m}"), key)
            tokens.append(recorded["order"]["claimToken"])
    check(all(tokens), f"{len(tokens)} orders have a claim token")
    return tokens


async def prove(database, server, addresses):
    """Makes an account of each address, as its owner would."""
    challenges = {}
    for address in addresses:
        given = {"email": address, "password": PASSWORD}
        challenges[address] = (await post(server.port, REGISTER, given))["challengeId"]
    for address, challenge in challenges.items():
        given = {"challengeId": challenge, "code": code_of(database, server, address)}
        proven = await post(server.port, PROVE, given)
        if proven["userErrors"]:
            check(False, f"{address} was proven: {proven}")
    equal(database.number("SELECT count(*) FROM customers WHERE registered_at IS NOT NULL"), len(addresses), "accounts")


def without_ids(body):
    for payload in body["data"].values():
        if payload.get("challengeId"):
            payload["challengeId"] = "…"
    return body


def timed(connection, query, given):
    """Seconds of one request on a connection that stays open, with its status and body."""
    sent = json.dumps({"query": query, "variables": {"input": given}})
    begun = time.perf_counter()
    connection.request("POST", "/graphql", sent, {"content-type": "application/json", "accept": "application/json"})
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - begun
    return seconds, response.status, without_ids(json.loads(content))


def interval(known, unknown):
    """The 99 % bootstrap interval of the difference of the medians."""
    dice = random.Random(1)
    differences = sorted(
        statistics.median(dice.choices(known, k=len(known))) - statistics.median(dice.choices(unknown, k=len(unknown)))
        for _ in range(RESAMPLES)
    )
    return differences[RESAMPLES * 5 // 1_000], differences[RESAMPLES * 995 // 1_000]


def compare(port, name, query, known, unknown):
    """Times both kinds, in a random order within each pair."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    times, answers, dice = {"known": [], "unknown": []}, {}, random.Random(2)
    for pair in zip(known, unknown, strict=True):
        kinds = list(zip(("known", "unknown"), pair))
        dice.shuffle(kinds)
        for kind, given in kinds:
            seconds, status, body = timed(connection, query, given)
            times[kind].append(seconds)
            answers.setdefault((status, json.dumps(body, sort_keys=True)), set()).add(kind)
    equal(sorted(map(sorted, answers.values())), [["known", "unknown"]], f"{name}: kinds of addresses by answer")
    equal(len(times["known"]), TIMINGS, f"{name}: timings of each kind")
    median = statistics.median(times["known"] + times["unknown"])
    low, high = interval(times["known"], times["unknown"])
    told = f"{name}: median {median * 1e3:.2f} ms, difference {low / median:+.2%} to {high / median:+.2%}"
    check(-TOLERANCE * median <= low and high <= TOLERANCE * median, told)
    return told


async def prepared(database, key, server):
    known = [f"known-{n}@example.org" for n in range(KNOWN)]
    unknown = [f"other-{n}@example.org" for n in range(KNOWN)]
    each = TIMINGS // KNOWN
    claims = [await tokens_of(server.port, key, addresses, each) for addresses in (known, unknown)]
    await prove(database, server, known)
    return known, unknown, claims


results = []
for engine in ENGINES:
    print(engine)
    database = Database(engine)
    key = api_key(database, "orders:write")
    server = Server(database).up()
    known, unknown, claims = asyncio.run(prepared(database, key, server))
    equal(server.stop().code, 0, "exit code of a stopped server")
    # Mails are sent beside the answers: without a worker none falls into the time of another request.
    quiet = Server(database, "--no-worker").up()
    each = TIMINGS // KNOWN
    lines = []
    for name, query, inputs in (
        ("sign-in", SIGN_IN, lambda address: {"email": address, "password": "a wrong password"}),
        ("register", REGISTER, lambda address: {"email": address, "password": PASSWORD}),
        ("reset", RESET, lambda address: {"email": address}),
    ):
        of = [[inputs(address) for address in addresses for _ in range(each)] for addresses in (known, unknown)]
        lines.append(compare(quiet.port, name, query, *of))
    of = [[{"token": token, "password": PASSWORD} for token in tokens] for tokens in claims]
    lines.append(compare(quiet.port, "claim", CLAIM, *of))
    equal(quiet.stop().code, 0, "exit code of a stopped server")
    results += [f"{engine:<11} {line}" for line in lines]
print("\n".join(results))

"""Seeded load over GraphQL, and the history of what became of every operation.

Each operation has an idempotency key of its own. As long as it is unknown what became of it, it is sent again under the
same key, to either instance, as a shop's server would do it."""

import asyncio
import collections
import itertools
import random
import time

from regulars import DOCUMENTS, effect, outcome, request

# No answer, or one that was cut off.
CUT_OFF = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError, IndexError)
# Answers after which only asking again tells what became of it.
UNDECIDED = {"error INTERNAL", "error UNAVAILABLE", "error IDEMPOTENCY_IN_PROGRESS"}
READ = "query ($id: ID) { customer(id: $id) { points { available held redeemed } } }"
# How an attempt ends: done; refused for a reason of business; nobody knows; not even sent; an answer that nobody expects.
OK, REFUSED, UNKNOWN, UNREACHED, ODD = "ok", "refused", "unknown", "unreached", "odd"


class Target:
    """Where an instance is reached, which changes when it is started again."""

    def __init__(self, name, port):
        self.name, self.port = name, port


class Operation:
    """A mutation under its key; `done` holds what it did, once that was answered."""

    def __init__(self, key, field, given, token):
        self.key, self.field, self.given, self.token = key, field, given, token
        self.state, self.done, self.attempts, self.differing = UNKNOWN, None, 0, None


class Load:
    """Clients that earn, redeem, adjust, hold and capture, record, pay and return orders, register and read."""

    def __init__(self, name, seed, targets, keys, customers, timeout=15.0, mix=None):
        self.name, self.seed, self.targets = name, seed, targets
        self.shop_key, self.staff_token = keys
        self.rich, self.poor = customers
        self.timeout, self.mix = timeout, mix or MIX
        self.numbers, self.turns = itertools.count(1), itertools.count()
        # By key, in the order of their beginning; and by address, where and between when somebody registered.
        self.operations, self.registered = {}, {}
        # One row for each attempt: begun, ended, target, field, key, how it ended, and in which words.
        self.attempts = []
        self.answers, self.clients, self.stopping = collections.Counter(), [], False
        # What the faults of this run ended: when, and until when each target gave its first good answer.
        self.waiting, self.recoveries = {}, []
        # Answers that count as refused in this case, and as odd in every other.
        self.expected = set()
        # For what no client does.
        self.chance = random.Random(f"{seed}/{name}")

    async def attempt(self, target, token, field, query, given, judge=outcome):
        """Sends one request and keeps how it ended, in the words of `judge`."""
        begun, answer = time.monotonic(), None
        try:
            answer = await request(target.port, token, query, given, self.timeout)
            words = judge(answer, field)
            how = REFUSED if f"{field}: {words}" in self.expected else judged(words)
        except ConnectionRefusedError:
            how, words = UNREACHED, "nobody listens"
        except CUT_OFF as error:
            how, words = UNKNOWN, type(error).__name__
        ended = time.monotonic()
        key = given.get("input", {}).get("idempotencyKey")
        self.attempts.append((begun, ended, target.name, field, key, how, words))
        self.answers[how, f"{field}: {words}"] += 1
        if how == OK and target.name in self.waiting:
            self.recoveries.append((target.name, ended - self.waiting.pop(target.name)))
        return how, answer

    async def send(self, operation, target):
        """One attempt at an operation."""
        operation.attempts += 1
        how, answer = await self.attempt(
            target, operation.token(), operation.field, DOCUMENTS[operation.field], {"input": operation.given}
        )
        if how == OK:
            did = effect(answer, operation.field)
            if operation.done is not None and operation.done != did:
                operation.differing = did
            operation.state, operation.done = OK, operation.done or did
        elif how in (REFUSED, ODD) and operation.state == UNKNOWN:
            operation.state = how
        return how

    async def do(self, generator, field, given, token=None):
        """An operation from its first attempt until it is known what became of it, or the load ends; answers what it did."""
        key = f"{self.name}-{next(self.numbers)}"
        given = dict(given, idempotencyKey=key)
        if field in TEXTS:
            given[TEXTS[field]] = key
        operation = self.operations[key] = Operation(key, field, given, token or self.shop)
        target = generator.choice(self.targets)
        while True:
            how = await self.send(operation, target)
            if operation.state != UNKNOWN:
                return operation.done
            if self.stopping:
                return None
            # At once elsewhere if nobody listens, as a load balancer would do it.
            others = [other for other in self.targets if other is not target] or self.targets
            target = generator.choice(others if how == UNREACHED else self.targets)
            await asyncio.sleep(generator.uniform(0.02, 0.2))

    def shop(self):
        return self.shop_key

    def staff(self):
        return self.staff_token

    async def earn(self, generator):
        who = generator.choice(self.rich + self.poor)
        await self.do(generator, "pointsEarn", {"customerId": who, "points": generator.randint(1, 9)})

    async def redeem(self, generator):
        who, most = (generator.choice(self.poor), 20) if generator.random() < 0.4 else (generator.choice(self.rich), 9)
        await self.do(generator, "pointsRedeem", {"customerId": who, "points": generator.randint(1, most)})

    async def adjust(self, generator):
        delta = generator.choice((-7, -3, 2, 5, 11))
        given = {"customerId": generator.choice(self.rich), "delta": delta}
        await self.do(generator, "pointsAdjust", given, self.staff)

    async def hold(self, generator):
        """Two of three holds are captured, the others stay."""
        given = {"customerId": generator.choice(self.rich), "points": generator.randint(1, 9), "currency": "EUR"}
        did = await self.do(generator, "pointsHold", given)
        if did and did["hold"] and generator.random() < 0.67:
            await self.do(generator, "pointsCapture", {"holdId": did["hold"]})

    async def order(self, generator):
        """An order of four pieces that is paid, and of which some pieces come back in up to two parts."""
        external_id = f"{self.name}-order-{next(self.turns)}"
        total = f"{generator.randint(4, 99)}.{generator.randint(0, 99):02}"
        line = {"sku": "mug", "name": "Mug", "quantity": 4, "lineTotal": total}
        given = {"externalId": external_id, "customerId": generator.choice(self.rich), "currency": "EUR", "lines": [line]}
        if not await self.do(generator, "orderRecord", given):
            return
        if generator.random() < 0.2 or not await self.do(generator, "orderPay", {"externalId": external_id}):
            return
        for pieces in (1, 2):
            if generator.random() < 0.5:
                return
            back = {"externalId": external_id, "lines": [{"position": 1, "quantity": pieces}]}
            if not await self.do(generator, "orderReturn", back):
                return

    async def register(self, generator):
        """Queues a job, the mail with the code. It has no key, and is not sent again."""
        email = f"{self.name}-{next(self.turns)}@example.org"
        given = {"input": {"email": email}}
        target, field, begun = generator.choice(self.targets), "customerRegister", time.monotonic()
        how, _ = await self.attempt(target, None, field, DOCUMENTS[field], given)
        if how == OK:
            self.registered[email] = (target.name, begun, time.monotonic())

    async def read(self, generator):
        target = generator.choice(self.targets)
        given = {"id": generator.choice(self.rich + self.poor)}
        await self.attempt(target, self.shop_key, "customer", READ, given, read_outcome)

    async def client(self, number):
        generator = random.Random(f"{self.seed}/{self.name}/{number}/{next(self.turns)}")
        acts, weights = zip(*self.mix.items())
        while not self.stopping:
            before = len(self.attempts)
            await getattr(self, generator.choices(acts, weights)[0])(generator)
            if self.attempts[-1][5] == UNREACHED and len(self.attempts) - before == 1:
                # Nobody listens anywhere: no need to ask as fast as the machine can.
                await asyncio.sleep(0.05)

    def begin(self, clients):
        self.stopping = False
        self.clients = [asyncio.create_task(self.client(number)) for number in range(clients)]

    async def drain(self):
        """Ends the clients; what they have under way is answered or not first."""
        self.stopping = True
        await asyncio.gather(*self.clients)
        self.clients = []

    async def settle(self, seconds):
        """Asks again for whatever is still unknown; answers how many stay so."""
        deadline, waiting = time.monotonic() + seconds, [one for one in self.operations.values() if one.state == UNKNOWN]

        async def ask():
            while waiting:
                operation = waiting.pop()
                turns = itertools.cycle(self.targets)
                while operation.state == UNKNOWN and time.monotonic() < deadline:
                    await self.send(operation, next(turns))
                    if operation.state == UNKNOWN:
                        await asyncio.sleep(0.2)

        await asyncio.gather(*(ask() for _ in range(8)))
        return sum(one.state == UNKNOWN for one in self.operations.values())

    async def replay(self, most):
        """Sends acknowledged operations again, above all those that took several attempts. Each has to be answered as
        before and do nothing. Answers how many were sent, and those that were not answered so."""
        known = [one for one in self.operations.values() if one.state == OK]
        random.Random(f"{self.seed}/{self.name}/replay").shuffle(known)
        known.sort(key=lambda one: one.attempts == 1)
        waiting, wrong = known[:most], []

        async def ask():
            while waiting:
                operation = waiting.pop()
                target = self.targets[len(waiting) % len(self.targets)]
                words, did = await self.answered_again(operation, target)
                if words != "replayed" or did != operation.done:
                    wrong.append(f"{operation.field} {operation.key}: {words} {did}, not replayed {operation.done}")

        count = len(waiting)
        await asyncio.gather(*(ask() for _ in range(8)))
        return count, wrong

    async def answered_again(self, operation, target):
        """How the same mutation is answered once more: the words, and what it is said to have done."""
        query, given = DOCUMENTS[operation.field], {"input": operation.given}
        for _ in range(3):
            try:
                answer = await request(target.port, operation.token(), query, given, self.timeout)
            except CUT_OFF as error:
                words = type(error).__name__
                continue
            words = outcome(answer, operation.field)
            if words in ("done", "replayed"):
                return words, effect(answer, operation.field)
        return words, None

    def over(self, *targets):
        """The fault ended on these targets: the next good answer of each is its recovery."""
        now = time.monotonic()
        self.waiting.update((target.name, now) for target in targets)

    def count(self, how, since=0.0, until=float("inf"), target=None):
        """Attempts that ended so in that time."""
        return sum(
            row[5] == how and since <= row[1] < until and target in (None, row[2]) for row in self.attempts
        )

    def was_replayed(self, key):
        """Whether asking again for an operation told that it had been done before."""
        return key is not None and any(row[4] == key and row[6] == "replayed" for row in self.attempts)

    def fields(self, how):
        """What was answered so, the most frequent first."""
        found = [(words, count) for (kind, words), count in self.answers.items() if kind == how]
        return sorted(found, key=lambda item: -item[1])


def read_outcome(answer, field):
    """The same for a query, which has no errors of its own in its payload."""
    status, body = answer
    if status >= 500 or not isinstance(body, dict):
        return f"HTTP {status}"
    if body.get("errors"):
        return "error " + str(body["errors"][0].get("extensions", {}).get("code"))
    return "done" if body["data"][field] else "error nothing found"


def judged(words):
    if words in ("done", "replayed"):
        return OK
    if words in UNDECIDED or words.startswith("HTTP "):
        return UNKNOWN
    return ODD if words.startswith("error ") else REFUSED


# Under which field of its input a mutation carries its key as a text: it is found again by that in the database.
TEXTS = {"pointsEarn": "reason", "pointsRedeem": "reference", "pointsAdjust": "reason", "orderReturn": "reason"}
# How often each act is chosen.
MIX = {"earn": 24, "redeem": 16, "adjust": 6, "hold": 14, "order": 18, "register": 2, "read": 20}

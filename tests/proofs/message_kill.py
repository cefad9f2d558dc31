"""Messages whose worker is killed while it sends them: none is lost, and none but transactional ones is sent again."""

import asyncio
import collections
import signal
import time

import regulars
from regulars import ENGINES, Database, MailServer, Server, api_key, check, end, equal, request, signed_in, start

GUESTS, KILLS = 5_000, 5
# Seconds. A message is taken up again when its lease has run out by the clock of the database.
LEASE = 5
# Messages of each lane, transactional or not, that one worker has on its way at once.
IN_FLIGHT = 8
MUTATIONS = {
    "journeyPublish": "JourneyInput",
    "journeyDraft": "JourneyDraftInput",
    "shopSettingsUpdate": "ShopSettingsUpdateInput",
    "consentUpdate": "ConsentUpdateInput",
    "orderRecord": "OrderRecordInput",
}
OFFER = {
    "trigger": "ORDER_PAID",
    "purpose": "OFFERS",
    "steps": [{"waitMinutes": 0, "template": "second_purchase", "channels": ["EMAIL"]}],
}


class Shop:
    """A shop with one transactional and one promotional journey."""

    def __init__(self, engine, options):
        self.database = Database(engine)
        self.server = Server(self.database, "--no-worker", *options).up()
        self.key = api_key(self.database, "orders:write", "customers:write")
        self.numbers = 0

    async def act(self, token, field, given):
        self.numbers += 1
        given = dict(given, idempotencyKey=f"proof-{self.numbers}")
        document = f"mutation ($input: {MUTATIONS[field]}!) {{ {field}(input: $input) {{ userErrors {{ code message }} }} }}"
        _, body = await request(self.server.port, token, document, {"input": given})
        if body.get("errors") or body["data"][field]["userErrors"]:
            check(False, f"{field} was done: {body}")

    async def open(self):
        owner = await signed_in(self.server.port, regulars.owner(self.database))
        terms = {"doubleOptIn": False, "quietFrom": "00:00", "quietUntil": "00:00", "perDay": 50, "perWeek": 50}
        terms |= {"careSpacingDays": 0, "careWindowDays": 90, "conversionDays": 14}
        await self.act(owner, "shopSettingsUpdate", {"expectedVersion": 0, "messages": terms})
        await self.act(owner, "journeyDraft", {"code": "offer", "definition": OFFER})
        for code in ("order_confirmation", "offer"):
            await self.act(owner, "journeyPublish", {"code": code})

    async def orders(self, numbers):
        """Each guest says yes to offers, and pays an order."""
        waiting = asyncio.Semaphore(16)

        async def order(number):
            email = f"guest-{number}@example.org"
            async with waiting:
                yes = [{"purpose": "OFFERS", "channel": "EMAIL", "granted": True}]
                await self.act(self.key, "consentUpdate", {"email": email, "consents": yes, "source": "CHECKOUT"})
                line = {"sku": "A-1", "name": "Tea", "quantity": 1, "lineTotal": "10.00"}
                given = {"externalId": f"o-{number}", "email": email, "currency": "EUR", "state": "PAID", "lines": [line]}
                await self.act(self.key, "orderRecord", given)

        await asyncio.gather(*(order(number) for number in numbers))

    def ids(self, which):
        """The ids of messages."""
        hexed = "id" if self.database.engine == "PostgreSQL" else "lower(hex(id))"
        return {row[0].replace("-", "") for row in self.database.rows(f"SELECT {hexed} FROM messages WHERE {which}")}

    async def all_ended(self, expected):
        ended = "SELECT count(*) FROM messages WHERE ended_at IS NOT NULL"
        begun = time.monotonic()
        while self.database.progress(ended) < expected and time.monotonic() < begun + 300:
            await asyncio.sleep(0.5)
        equal(self.database.number(ended), expected, f"messages that ended, after {time.monotonic() - begun:.1f} s")


async def killed(shop, mails, options):
    """Sends with a worker that is killed again and again; answers how many messages were sent twice."""
    messages = 2 * GUESTS
    for kill in range(KILLS):
        worker = start(shop.database, "worker", *options)
        wanted = len(mails.arrived) + messages // (KILLS + 2)
        deadline = time.monotonic() + 120
        while len(mails.arrived) < wanted and time.monotonic() < deadline:
            await asyncio.sleep(0.002)
        worker.send_signal(signal.SIGKILL)
        ended = end(worker)
        if ended.code != -signal.SIGKILL or len(mails.arrived) < wanted:
            check(False, f"kill {kill + 1} while messages were sent: {ended.code}\n{ended.err[-2000:]}")
    check(True, f"{KILLS} kills, the last after {len(mails.arrived):,} messages")
    worker = start(shop.database, "worker", *options)
    await shop.all_ended(messages)
    worker.terminate()
    equal(end(worker).code, 0, "exit code of the stopped worker")
    needed, offers = shop.ids("purpose IS NULL"), shop.ids("purpose IS NOT NULL")
    equal((len(needed), len(offers)), (GUESTS, GUESTS), "transactional and promotional messages")
    equal(len(needed - set(mails.arrived)), 0, "transactional messages that never arrived")
    twice = {message for message, count in mails.arrived.items() if count > 1}
    equal(len(twice - needed), 0, "promotional messages that arrived twice")
    check(len(twice) <= KILLS * IN_FLIGHT, f"transactional messages that arrived twice: {len(twice)}")
    unknown = shop.ids("state = 'UNKNOWN'")
    check(unknown <= offers and len(unknown) <= KILLS * IN_FLIGHT, f"promotional ones of unknown outcome: {len(unknown)}")
    lost = offers - set(mails.arrived) - unknown
    equal(len(lost), 0, "promotional messages that were lost without being counted")
    return len(twice), len(unknown)


async def together(shop, mails, options):
    """Sends as many with two workers at once."""
    before = set(mails.arrived)
    workers = [start(shop.database, "worker", *options) for _ in range(2)]
    await shop.all_ended(4 * GUESTS)
    for worker in workers:
        worker.terminate()
        equal(end(worker).code, 0, "exit code of a stopped worker")
    counts = collections.Counter(count for message, count in mails.arrived.items() if message not in before)
    equal(dict(counts), {1: 2 * GUESTS}, "how often messages of two workers arrived")


async def proof(engine):
    mails, begun = MailServer(), time.monotonic()
    options = ("--smtp-url", f"smtp://127.0.0.1:{await mails.begin()}", "--job-lease-seconds", LEASE)
    shop = Shop(engine, options)
    await shop.open()
    await shop.orders(range(GUESTS))
    twice, unknown = await killed(shop, mails, options)
    await shop.orders(range(GUESTS, 2 * GUESTS))
    await together(shop, mails, options)
    equal(shop.database.number("SELECT count(*) FROM jobs WHERE state = 'DEAD'"), 0, "dead jobs")
    equal(shop.server.stop().code, 0, "exit code of the stopped server")
    mails.server.close()
    return (
        f"{engine:<11} {KILLS} kills during {2 * GUESTS:,} sends: 0 lost, {twice} transactional sent twice, {unknown} "
        f"promotional of unknown outcome; two workers, {2 * GUESTS:,} sends: none twice; {time.monotonic() - begun:.0f} s"
    )


results = []
for engine in ENGINES:
    print(engine, flush=True)
    results.append(asyncio.run(proof(engine)))
print("\n".join(results))

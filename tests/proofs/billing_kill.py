"""What Stripe did when its answer was lost with the server is found again, and is not done twice."""

import asyncio
import collections
import json
import os
import random
import signal
import subprocess
import time

from regulars import ENGINES, Database, Server, api_key, check, customer, equal, owner, request, signed_in

KILLS = 20
CUT_OFF = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError)
# What a request answers while Stripe hangs: its job goes on with it.
LATER = "PAYMENTS_UNAVAILABLE"

PLAN = """mutation ($input: MembershipPlanUpsertInput!) {
    membershipPlanUpsert(input: $input) { plan { code } userErrors { code message } }
}"""
ACTS = {
    "membershipJoin": "MembershipJoinInput",
    "membershipPlanChange": "MembershipPlanChangeInput",
    "membershipCancel": "MembershipCancelInput",
}


class Stripe:
    """The fake as a process: a line in, a line of JSON out."""

    def __init__(self):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([os.environ["STRIPE_FAKE"]], stdin=pipe, stdout=pipe, text=True)
        self.url, self.told = self.process.stdout.readline().strip(), time.time()

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def keep_time(self):
        """Its clock stands still by itself."""
        seconds = int(time.time() - self.told)
        self.told += seconds
        self.ask("advance", seconds)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Shop:
    """A server that is killed and begun again, with its database, its Stripe and who asks."""

    def __init__(self, engine):
        self.stripe, self.database = Stripe(), Database(engine)
        self.options = ["--payments", "stripe", "--stripe-secret-key", "sk_test_fake", "--stripe-url", self.stripe.url]
        self.options += ["--stripe-webhook-secrets", "whsec_proof", "--job-lease-seconds", "5"]
        self.key = api_key(self.database, "customers:write", "customers:read", "memberships:write")
        self.server, self.numbers, self.cut_off = None, 0, collections.Counter()

    def up(self):
        self.server = Server(self.database, *self.options).up()
        self.stripe.keep_time()
        self.stripe.ask("webhook", f"http://127.0.0.1:{self.server.port}/webhooks/stripe", "whsec_proof")

    async def plans(self):
        token = await signed_in(self.server.port, owner(self.database))
        for code, price in (("plus", "10.00"), ("gold", "30.00")):
            given = {"code": code, "name": code, "price": price, "currency": "EUR", "billed": "MONTH", "idempotencyKey": code}
            _, body = await request(self.server.port, token, PLAN, {"input": given})
            equal(body["data"]["membershipPlanUpsert"]["userErrors"], [], f"the plan {code} was made")

    async def act(self, field, given):
        document = f"mutation ($input: {ACTS[field]}!) {{ {field}(input: $input) {{ membership {{ id state }} userErrors {{ code }} }} }}"
        _, body = await request(self.server.port, self.key, document, {"input": given}, timeout=30)
        payload = body["data"][field]
        codes = [error["code"] for error in payload["userErrors"]]
        if codes not in ([], [LATER]):
            check(False, f"{field} was done: {codes}")
        return payload["membership"]

    def given(self, more):
        self.numbers += 1
        return dict(more, idempotencyKey=f"proof-{self.numbers}")

    async def until(self, what, sql, wanted, seconds=180):
        deadline = time.monotonic() + seconds
        while (found := self.database.number(sql)) != wanted and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        equal(found, wanted, what)

    async def member(self):
        """Somebody who has joined and paid, and is known to have."""
        who = await customer(self.server.port, self.key, f"c{self.numbers}")
        before = {one["id"] for one in self.stripe.ask("subscriptions")}
        joined = await self.act("membershipJoin", self.given({"plan": "plus", "payOn": "DEVICE", "customerId": who}))
        [begun] = [one["id"] for one in self.stripe.ask("subscriptions") if one["id"] not in before]
        check(self.stripe.ask("confirm", begun), f"{begun} was paid")
        self.stripe.ask("deliver")
        await self.until("it is known", f"SELECT count(*) FROM memberships WHERE subscription = '{begun}' AND state = 'ACTIVE'", 1)
        return joined["id"]

    async def cut(self, number):
        """Has something asked of Stripe, and kills the server once it is done there: before its answer, or right after."""
        act = ("membershipJoin", "membershipPlanChange", "membershipCancel")[number % 3]
        if act == "membershipJoin":
            who = await customer(self.server.port, self.key, f"c{self.numbers}")
            given, path = {"plan": "plus", "payOn": "DEVICE", "customerId": who}, "/v1/subscriptions"
        elif act == "membershipPlanChange":
            given, path = {"membershipId": await self.member(), "plan": "gold"}, "/v1/subscriptions/"
        else:
            given, path = {"membershipId": await self.member(), "when": "NOW"}, "/v1/refunds"
        given, before = self.given(given), self.stripe.ask("requests", "POST", path)
        if number % 2 == 0:
            self.stripe.ask("fault", "POST", path, "hang")
        asking = asyncio.create_task(self.act(act, given))
        while self.stripe.ask("requests", "POST", path) == before and not asking.done():
            await asyncio.sleep(0.001)
        await asyncio.sleep(random.uniform(0, 0.02))
        ended = self.server.kill()
        if ended.code != -signal.SIGKILL or "panicked" in ended.err:
            check(False, f"kill {number + 1}: {ended.code}\n{ended.err}")
        try:
            await asking
        except CUT_OFF:
            self.cut_off[act] += 1
        self.stripe.ask("mend")
        self.up()
        if random.random() < 0.5:
            # Whoever was cut off asks again with the same key.
            await self.act(act, given)


async def proof(engine):
    shop, begun = Shop(engine), time.monotonic()
    shop.up()
    await shop.plans()
    for number in range(KILLS):
        await shop.cut(number)
    check(True, f"{KILLS} kills, {dict(shop.cut_off)} cut off")
    database, stripe = shop.database, shop.stripe
    await shop.until("calls that are not settled", "SELECT count(*) FROM billing_calls WHERE state = 'PENDING'", 0)
    equal(database.number("SELECT count(*) FROM billing_calls WHERE state = 'FAILED'"), 0, "calls that failed")
    for one in stripe.ask("subscriptions"):
        if one["status"] == "incomplete":
            check(stripe.ask("confirm", one["id"]), f"{one['id']} was paid")
    shop.stripe.keep_time()
    stripe.ask("deliver")
    await shop.until("events that are not looked into", "SELECT count(*) FROM billing_events WHERE state = 'RECEIVED'", 0)

    theirs = sorted(one["id"] for one in stripe.ask("subscriptions"))
    ours = sorted(row[0] for row in database.rows("SELECT subscription FROM memberships WHERE subscription IS NOT NULL"))
    equal(len(theirs), database.number("SELECT count(*) FROM memberships"), "subscriptions at Stripe, one for each membership")
    check(ours == theirs, "every subscription is known")
    paid = stripe.ask("charges")
    invoices = collections.Counter(charge["invoice"] for charge in paid)
    equal(max(invoices.values()), 1, "charges of one invoice at most")
    changed = database.number("SELECT count(*) FROM memberships AS m JOIN membership_plans AS p ON p.id = m.plan_id WHERE p.code = 'gold'")
    equal(changed, sum(number % 3 == 1 for number in range(KILLS)), "memberships that are gold")
    equal(len(paid), len(theirs) + changed, "charges: one for each subscription, and one more for each that is gold")
    taken, back = sum(charge["amount"] for charge in paid), sum(charge["refunded"] for charge in paid)
    kept = "FROM membership_charges WHERE status IN ('PAID', 'REFUNDED')"
    equal(database.number(f"SELECT sum(amount) {kept}"), taken, "cents that were taken")
    equal(database.number(f"SELECT sum(refunded) {kept}"), back, "cents that were given back")
    refunded = sum(charge["refunded"] > 0 for charge in paid)
    equal(refunded, sum(number % 3 == 2 for number in range(KILLS)), "charges of which something was given back")
    equal(database.number("SELECT count(*) FROM jobs WHERE state = 'DEAD'"), 0, "dead jobs")
    equal(shop.server.stop().code, 0, "exit code of the stopped server")
    stripe.end()
    return (
        f"{engine:<11} {KILLS} kills in {time.monotonic() - begun:.0f} s, {sum(shop.cut_off.values())} requests cut off, "
        f"{len(theirs)} subscriptions, all known, {len(paid)} charges and {refunded} refunds, none twice"
    )


results = []
for engine in ENGINES:
    print(f"{engine}: {KILLS} kills")
    results.append(asyncio.run(proof(engine)))
print("\n".join(results))

"""What has to hold once faults are over and the load has drained."""

import asyncio
import collections
import time

from effects import Effects, Findings, balances, judge, uuid_of
from ledger import Rows, compared, drifts, hexed
from load import CUT_OFF, READ
from regulars import request, run

# Recurring jobs and how many seconds after now each is due at the latest.
MINUTE, DAY = 60, 86_400
RECURRING = dict.fromkeys(
    "points.sweep coupons.lapse delivery.lapse referrals.vest tiers.sweep journeys.tick memberships.sweep billing.sandbox "
    "catalog.release".split(),
    MINUTE,
) | {
    "audit.seal": 10,
    "memberships.reconcile": 5 * MINUTE,
    # When the shop's next day begins, of which one a year has an hour more.
    "earning.birthdays": DAY + 60 * MINUTE,
    "journeys.birthdays": 60 * MINUTE,
    "auth.prune": DAY,
}
# Seconds between the clock of whoever wrote a row and that of whoever reads it.
LATE = 5


async def check(shop, load):
    """Everything that is asked of the database; the findings."""
    findings = Findings()
    rows = await asyncio.to_thread(Rows, shop.database)
    effects = await asyncio.to_thread(Effects, shop.database, rows, f"{load.name}-")
    judge(load, effects, findings)
    balances(load, effects, rows, findings)
    findings.drift += drifts(rows)
    findings.drift += await asyncio.to_thread(events, shop.database, rows)
    findings.drift += await asyncio.to_thread(verified, shop.database)
    findings.drift += await told(load, rows)
    return findings


def verified(database):
    """What the program's own verifier finds."""
    ran = run(database, "ledger", "verify")
    if ran.code == 0:
        return []
    lines = [line for line in ran.out.splitlines() if line.startswith("DRIFT")]
    return [f"the program's verifier: {line}" for line in lines] or [f"the verifier ended with {ran.code}: {ran.err[-500:]}"]


async def told(load, rows):
    """Every instance tells of every customer what the database has."""
    wrong = []
    for target in load.targets:
        for who in load.rich + load.poor:
            sums = rows.accounts.get(uuid_of(who), {})
            wanted = {"available": sums.get("AVAILABLE"), "held": sums.get("HELD"), "redeemed": str(sums.get("REDEEMED"))}
            try:
                _, body = await request(target.port, load.shop_key, READ, {"id": who}, load.timeout)
                said = body["data"]["customer"]["points"]
            except (*CUT_OFF, KeyError, TypeError) as error:
                said = repr(error)
            if said != wanted:
                wrong.append(f"{target.name} tells {said} of {who}, the database has {wanted}")
    return wrong


def events(database, rows):
    """Events are numbered from 1 without gaps, in order for each thing they are about; each change has its event once."""
    found = database.rows(
        f"SELECT topic, {hexed(database, 'aggregate_id')}, coalesce(position, 0), coalesce(payload->>'lot', ''), "
        "coalesce(payload->>'hold', '') FROM outbox ORDER BY seq"
    )
    wrong = []
    positions = sorted(int(row[2]) for row in found)
    if positions != list(range(1, len(positions) + 1)):
        wrong.append(f"positions of {len(positions)} events: {positions[:1]} to {positions[-1:]}, {len(set(positions))} different")
    last = {}
    for topic, about, position, *_ in found:
        if int(position) < last.get(about, 0):
            wrong.append(f"{topic} of {about} has position {position}, behind {last[about]}")
        last[about] = int(position)
    counted = collections.Counter()
    for topic, about, _, lot, hold in found:
        counted[topic, named(topic, about, lot.replace("-", ""), hold.replace("-", ""))] += 1
    wanted = expected_events(database, rows)
    told = {key: count for key, count in counted.items() if key[0].startswith(("points.", "order."))}
    return wrong + compared("events", told, wanted)


def named(topic, about, lot, hold):
    """What tells one event of this topic from others."""
    if topic == "points.earned":
        return lot
    return hold if topic in ("points.held", "points.redeemed", "points.captured", "points.released") else about


def expected_events(database, rows):
    wanted, rewards = collections.Counter(), {row[0] for row in rows.holds if row[5]}
    for _, account, _, kind, _, _, _, lot, hold, order, *_ in rows.entries:
        if kind == "EARN":
            wanted["points.earned", lot] += 1
        if kind == "ADJUST":
            wanted["points.adjusted", account] += 1
        if kind == "HOLD":
            wanted["points.redeemed" if hold in rewards else "points.held", hold] += 1
        if kind == "CAPTURE" and hold not in rewards:
            wanted["points.captured", hold] += 1
        if kind == "RELEASE":
            wanted["points.released", hold] += 1
        if kind == "CLAW_BACK":
            wanted["points.clawed_back", account] += 1
    for order, state in database.rows(f"SELECT {hexed(database, 'id')}, state FROM orders"):
        wanted["order.recorded", order] += 1
        if state != "PLACED":
            wanted["order.paid", order] += 1
    for (order,) in database.rows(f"SELECT {hexed(database, 'order_id')} FROM order_returns"):
        wanted["order.returned", order] += 1
    return wanted


def jobs(database):
    """What is wrong with the jobs now: not done, dead, stuck behind a lease that is over, overdue, missing or asleep for too
    long."""
    now = time.time()
    found = database.rows(
        "SELECT kind, state, due_ms, coalesce(leased_until_ms, 0), coalesce(last_error, '') FROM jobs ORDER BY kind"
    )
    wrong, seen = [], collections.Counter()
    for kind, state, due, leased, error in found:
        waits, over = int(due) / 1000 - now, now - int(leased) / 1000
        seen[kind] += 1
        if state == "DEAD":
            wrong.append(f"{kind} is dead: {error[:200]}")
        elif int(leased) and over > LATE:
            wrong.append(f"{kind} has a lease that is over since {over:.0f} s")
        elif kind in RECURRING and not int(leased) and waits < -LATE:
            wrong.append(f"{kind} is due since {-waits:.0f} s and nobody takes it")
        elif kind not in RECURRING:
            wrong.append(f"{kind} is not done, due in {waits:.0f} s: {error[:200]}")
        elif waits > RECURRING[kind] + LATE:
            wrong.append(f"{kind} sleeps for {waits / 3600:.1f} hours")
    wrong += [f"{kind} has {seen[kind]} rows" for kind in RECURRING if seen[kind] != 1]
    open_events = database.number("SELECT count(*) FROM outbox WHERE position IS NULL")
    wrong = [f"{line} ({count} times)" if count > 1 else line for line, count in collections.Counter(wrong).items()]
    return wrong + ([f"{open_events} events have no position"] if open_events else [])


async def at_rest(database, seconds):
    """Waits until nothing is wrong with jobs and events, or time is up; answers what is wrong then."""
    deadline = time.monotonic() + seconds
    while True:
        wrong = await asyncio.to_thread(jobs, database)
        if not wrong or time.monotonic() > deadline:
            return wrong
        await asyncio.sleep(0.5)

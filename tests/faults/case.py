"""The cases by name, and how one is run: load, fault, more load, then everything that has to hold."""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import time

import checker
from load import OK, REFUSED, UNKNOWN, UNREACHED
from shop import LEASE, Shop

# Seconds of load before everything, before the fault, and after it.
WARM, BEFORE, AFTER = 2.0, 2.0, 4.0
CLIENTS = 16
# Seconds until all that was unknown has to be known, and until jobs and events have to be at rest.
SETTLE, REST = 60, 3 * LEASE + 10
# Seconds after which a target that answers nothing well has not recovered.
RECOVERY = 30
# Acknowledged operations that are sent again.
REPLAYED = 300
# What may be left of the resources of a fault: files, and memory in megabytes and as a factor.
FILES, MEMORY, GROWTH = 24, 64, 2
HISTORIES = pathlib.Path(os.environ["FAULTS_HISTORIES"])

CASES = {}


@dataclasses.dataclass
class Case:
    """What is tried: on which database, with how many instances and settings of theirs."""

    name: str
    act: object
    engine: str = "PostgreSQL"
    instances: int = 2
    options: tuple = ()
    clients: int = CLIENTS
    timeout: float = 15.0
    mix: dict = None
    # A case that is no load with a fault has all of it in `act`; a control has to find something.
    whole: bool = False
    control: bool = False


@dataclasses.dataclass
class Result:
    """A row of the table."""

    name: str
    tries: int = 0
    acknowledged: int = 0
    unknown: int = 0
    unreached: int = 0
    refused: int = 0
    lost: int = 0
    twice: int = 0
    drift: int = 0
    recovery: float = None
    before: tuple = None
    after: tuple = None
    seconds: float = 0.0
    problems: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)

    def count(self, load):
        mutations = [row for row in load.attempts if row[4] is not None]
        number = lambda how: sum(row[5] == how for row in mutations)
        self.tries, self.unknown, self.unreached = len(mutations), number(UNKNOWN), number(UNREACHED)
        self.refused = number(REFUSED)
        self.acknowledged = sum(one.state == OK for one in load.operations.values())
        if load.recoveries:
            self.recovery = max(seconds for _, seconds in load.recoveries)

    def add(self, findings):
        self.lost, self.twice, self.drift = len(findings.lost), len(findings.twice), len(findings.drift)
        for words, found in (("lost", findings.lost), ("twice", findings.twice), ("drift", findings.drift)):
            self.problems += [f"{words}: {one}" for one in found[:5]]
            self.problems += [f"{words}: and {len(found) - 5} more"] if len(found) > 5 else []


def case(name, **how):
    """Makes a case of a function."""

    def add(act):
        CASES[name] = Case(name, act, **how)
        return act

    return add


async def run(chosen, seed):
    """Runs one case; its row."""
    begun, shop, result = time.monotonic(), Shop(chosen, seed), Result(chosen.name)
    try:
        if chosen.whole:
            await chosen.act(shop, result)
        else:
            await loaded(chosen, shop, result)
    finally:
        # What a case leaves behind when it breaks has no say in the next one.
        await asyncio.to_thread(shop.abandon)
        if shop.load:
            keep_history(shop.load)
    if shop.database:
        await asyncio.to_thread(shop.database.drop)
    result.seconds = time.monotonic() - begun
    result.problems += shop.problems
    result.notes += shop.notes
    return result


async def loaded(chosen, shop, result):
    """The fault in the midst of load; `act` is a generator that opens the shop, yields, does what it does to it, yields
    again, and then clears up."""
    async with contextlib.aclosing(chosen.act(shop)) as steps:
        await anext(steps)
        await warm_up(shop, chosen)
        result.before = shop.resources()
        shop.load.begin(chosen.clients)
        await asyncio.sleep(BEFORE)
        await anext(steps)
        await asyncio.sleep(AFTER)
        await recovered(shop)
        await shop.load.drain()
        await settled(shop, result)
        result.problems += await shop.close()
        shop.expect("panicked" not in shop.logs(), "a server panicked")
        await anext(steps, None)


async def warm_up(shop, chosen):
    """Pools and caches have their size before they are measured."""
    shop.load.begin(chosen.clients)
    await asyncio.sleep(WARM)
    await shop.load.drain()
    unknown = await shop.load.settle(SETTLE)
    shop.expect(unknown == 0, f"{unknown} operations were unknown before any fault")
    await asyncio.sleep(0.5)


async def recovered(shop):
    """Waits for the first good answer of each target, as long as that may take."""
    deadline = time.monotonic() + RECOVERY
    while shop.load.waiting and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    for name in shop.load.waiting:
        shop.problems.append(f"{name} gave no good answer within {RECOVERY} s after the fault")


async def settled(shop, result):
    """Everything known, everything at rest, everything as it has to be."""
    load = shop.load
    unknown = await load.settle(SETTLE)
    shop.expect(unknown == 0, f"{unknown} operations stayed unknown although they were asked for again and again")
    wrong = await checker.at_rest(shop.database, REST)
    shop.problems += [f"at rest: {one}" for one in wrong]
    sent, differing = await load.replay(REPLAYED)
    shop.note(f"{sent} acknowledged operations were sent again")
    shop.problems += [f"sent again: {one}" for one in differing[:5]]
    result.count(load)
    result.add(await checker.check(shop, load))
    result.after = await near(shop, result.before)
    mails(shop)
    shop.note("; ".join(f"{words} {count}" for words, count in load.fields(UNKNOWN)[:6]))


async def near(shop, before):
    """Waits until files and memory are back near what they were; what they are then."""
    deadline = time.monotonic() + 20
    while True:
        files, memory = after = shop.resources()
        back = files <= before[0] + FILES and memory <= max(before[1] * GROWTH, before[1] + MEMORY)
        if back or time.monotonic() > deadline:
            shop.expect(back, f"files and megabytes were {describe(before)} and stay {describe(after)}")
            return after
        await asyncio.sleep(0.5)


def describe(resources):
    return f"{resources[0]}/{resources[1]:.0f}"


def mails(shop):
    """Who registered and was told so has a mail, which the servers write to their logs without a mail server."""
    if shop.mail_server:
        mailed = set(shop.mail_server.recipients)
    else:
        mailed = set(re.findall(r"mail to (\S+@example\.org)", shop.logs()))
    registered = set(shop.load.registered) - shop.unmailed
    without = sorted(registered - mailed)
    shop.expect(not without, f"{len(without)} of {len(registered)} registrations have no mail, such as {without[:2]}")


def keep_history(load):
    """Keeps every attempt and every operation, for whoever looks into what was found."""
    HISTORIES.mkdir(parents=True, exist_ok=True)
    with open(HISTORIES / f"{load.name}.ndjson", "w") as file:
        for row in load.attempts:
            file.write(json.dumps(row) + "\n")
        for one in load.operations.values():
            file.write(json.dumps([one.key, one.field, one.given, one.state, one.attempts, one.done]) + "\n")

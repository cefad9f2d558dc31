"""Two controls that have to find something: whoever checks and never finds anything proves nothing."""

import asyncio
import random
import subprocess
import time

import checker
from case import BEFORE, CLIENTS, SETTLE, case, warm_up
from faults_database import CLUSTER
from effects import Effects, Findings, judge, uuid_of
from ledger import Rows, drifts
from regulars import psql

# Clients that spend points behind the server's back, and the load beside them: little, so that they get to it also on a
# busy machine.
NAIVE, BESIDE = 4, 6
# Redemptions that have to be done alone and together, and seconds for which they may take at most.
ALONE, TOGETHER, SPENDING = 3, 30, 30
# Kills of a PostgreSQL that acknowledges before it has written.
KILLS = 5
LAZY = ("-c", "synchronous_commit=off", "-c", "wal_writer_delay=10s", "-c", "wal_buffers=64MB")


def read_check_write(database, who, points):
    """Redeems as somebody would who has never heard of two at once: reads, checks, and writes back what is left, with
    all the books kept as they have to be. Answers whether it was done."""
    account = f"SELECT available, redeemed FROM points_accounts WHERE id = '{who}'"
    available, redeemed = map(int, database.rows(account)[0])
    lots = f"SELECT id, remaining FROM points_lots WHERE account_id = '{who}' AND remaining >= {points} ORDER BY id LIMIT 1"
    found = database.rows(lots)
    if available < points or not found:
        return False
    [[lot, remaining]] = found
    write = f"""
        BEGIN;
        WITH entry AS (
            INSERT INTO points_entries (id, account_id, seq, kind, from_bucket, to_bucket, amount, actor_kind,
                                        effective_at, recorded_at)
                SELECT gen_random_uuid(), '{who}', max(seq) + 1, 'CAPTURE', 'AVAILABLE', 'REDEEMED', {points}, 'SYSTEM',
                       now(), now()
                FROM points_entries WHERE account_id = '{who}' RETURNING id)
        INSERT INTO points_consumptions (entry_id, lot_id, amount, refilled) SELECT id, '{lot}', {points}, 0 FROM entry;
        UPDATE points_lots SET remaining = {int(remaining) - points} WHERE id = '{lot}';
        UPDATE points_accounts SET available = {available - points}, redeemed = {redeemed + points}, seq = seq + 1
            WHERE id = '{who}';
        COMMIT
    """
    try:
        psql(database.name, write, errors=subprocess.DEVNULL)
    except subprocess.CalledProcessError:
        # The checks and unique keys of the database stop some of them, and that is what these are for.
        return False
    return True


async def naive(shop, generator, wanted):
    """Redeems until so many are done, or time is up; answers how many are."""
    done, until = 0, time.monotonic() + SPENDING
    while done < wanted and time.monotonic() < until:
        who, points = uuid_of(generator.choice(shop.load.rich)), generator.randint(1, 9)
        done += await asyncio.to_thread(read_check_write, shop.database, who, points)
    return done


async def sums_that_differ(shop):
    """By the program, and by us."""
    rows = await asyncio.to_thread(Rows, shop.database)
    return await asyncio.to_thread(checker.verified, shop.database), drifts(rows)


@case("control-naive-redemption", whole=True, control=True)
async def naive_redemption(shop, result):
    """Redemptions that read, check and write back. One after the other they do no harm; beside each other and beside the
    load, the ledger must be found to have drifted."""
    await shop.open()
    await warm_up(shop, shop.case)
    generator = random.Random(f"{shop.seed}/naive")
    alone = await naive(shop, generator, ALONE)
    shop.expect(alone == ALONE, f"only {alone} naive redemptions were done alone")
    by_program, by_us = await sums_that_differ(shop)
    shop.expect(not by_program and not by_us, f"naive redemptions did harm alone: {(by_program + by_us)[:2]}")
    shop.load.begin(BESIDE)
    await asyncio.sleep(BEFORE)
    together = await asyncio.gather(*(naive(shop, generator, TOGETHER // NAIVE) for _ in range(NAIVE)))
    await shop.load.drain()
    by_program, by_us = await sums_that_differ(shop)
    result.count(shop.load)
    result.drift = len(by_us)
    shop.note(f"{alone} naive redemptions alone, {sum(together)} together: {len(by_program)} sums differ by the program, {len(by_us)} by us")
    shop.expect(by_program, "the program's verifier found nothing wrong with naive redemptions")
    shop.expect(by_us, "our own sums found nothing wrong with naive redemptions")
    shop.note("for example: " + next(iter(by_us), "nothing"))


@case("control-asynchronous-commit", whole=True, control=True)
async def asynchronous_commit(shop, result):
    """A PostgreSQL that acknowledges before it has written, and that loses its power: something must be found lost."""
    await shop.open()
    await warm_up(shop, shop.case)
    try:
        # Under servers that run: those that are started refuse such a PostgreSQL.
        await CLUSTER.stop("fast")
        await CLUSTER.start(*LAZY)
        for kill in range(1, KILLS + 1):
            shop.load.begin(CLIENTS)
            await asyncio.sleep(BEFORE)
            await CLUSTER.kill_all()
            await asyncio.sleep(0.5)
            await CLUSTER.start(*LAZY)
            # What was unknown is asked for again; what was acknowledged is not.
            await shop.load.drain()
            await shop.load.settle(SETTLE)
            result.lost = await lost(shop)
            if result.lost:
                break
        result.count(shop.load)
        shop.note(f"{result.lost} acknowledged operations were lost by kill {kill}")
        shop.expect(result.lost > 0, f"{KILLS} kills of a PostgreSQL that writes late lost nothing that was found")
    finally:
        await asyncio.to_thread(shop.abandon)
        await CLUSTER.stop("fast")
        await CLUSTER.start()


async def lost(shop):
    """Acknowledged operations that are not there."""
    findings = Findings()
    rows = await asyncio.to_thread(Rows, shop.database)
    judge(shop.load, await asyncio.to_thread(Effects, shop.database, rows, f"{shop.load.name}-"), findings)
    return len(findings.lost)

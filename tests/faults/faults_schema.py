"""Migrations that are killed half-way, and a binary that is older than its schema."""

import asyncio
import contextlib
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import time
import urllib.parse

from case import case
from cluster import is_alive
from faults_clock import readiness
from regulars import POSTGRES, Database, end, psql, request, run, start
from shop import Instance

# Databases on each engine, and how often the migration of each is killed.
DATABASES, KILLS = 6, 2
# A migration that no binary of today knows.
LATER = "m29991231_from_the_future"
PAGE = "{ shop { name } }"


def schema(database):
    """All that a migrated database is made of, in a text that can be compared."""
    if database.engine == "SQLite":
        rows = database.rows("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name")
        return "\n".join("|".join(row) for row in rows)
    url = urllib.parse.urlsplit(POSTGRES)
    command = ["pg_dump", "--schema-only", "--no-owner", "-h", url.hostname, "-p", str(url.port), "-U", url.username]
    dumped = subprocess.run([*command, database.name], check=True, stdout=subprocess.PIPE, text=True).stdout
    # Newer versions of it mark every dump with a word of its own.
    return re.sub(r"^\\(un)?restrict .*$", "", dumped, flags=re.MULTILINE)


@case("migrate-killed", whole=True)
async def migrate_killed(shop, result):
    """On either database: `migrate` is killed again and again at random moments, and works in the end."""
    generator = random.Random(f"{shop.seed}/migrate")
    for engine in ("PostgreSQL", "SQLite"):
        await asyncio.to_thread(killed, engine, generator, shop, result)


def killed(engine, generator, shop, result):
    # Twice: what is read from the disk for the first time takes longer than what comes after it.
    for _ in range(2):
        whole = Database(engine)
        begun = run(whole, "migrate")
        shop.expect(begun.code == 0, f"{engine}: migrate on an empty database ended with {begun.code}")
    wanted, seconds, broken, cut, late = schema(whole), begun.seconds, [], 0, 0
    for _ in range(DATABASES):
        database = Database(engine)
        for number in range(KILLS):
            migrating = start(database, "migrate")
            after = generator.uniform(0, 0.8 * seconds)
            time.sleep(after)
            os.kill(migrating.pid, signal.SIGKILL)
            code = end(migrating).code
            cut, late = cut + (code == -signal.SIGKILL), late + (code == 0)
            if code == 0 and number == 0:
                # The machine has become faster: all of it was done in less than that.
                seconds = after
            result.tries += 1
        again = run(database, "migrate")
        status = run(database, "migrate", "status")
        if again.code != 0 or status.code != 0:
            broken.append(f"migrate ended with {again.code}: {again.err.strip().splitlines()[-1:]}")
        elif schema(database) != wanted:
            broken.append("the schema is another one than after a migration that was not killed")
        database.drop()
    shop.note(f"{engine}: migrate takes {begun.seconds:.1f} s; {cut} kills came before its end, {late} after it")
    shop.expect(cut >= max(late, 1), f"{engine}: only {cut} kills came before the end of migrate, {late} after it")
    shop.expect(not broken, f"{engine}: {len(broken)} of {DATABASES} databases cannot be migrated any more: {broken[:1]}")


@case("newer-schema", whole=True)
async def newer_schema(shop, result):
    """A newer version has migrated: an instance that runs serves on and says truly whether it is ready; one that is
    started serves too, or refuses and names what it does not know."""
    for engine in ("PostgreSQL", "SQLite"):
        database = Database(engine)
        await asyncio.to_thread(run, database, "migrate")
        running = Instance("instance 1", database, (), None)
        shop.instances.append(running)
        await running.start()
        result.tries += 1
        await asyncio.to_thread(add_migration, database)
        await runs_on(shop, running)
        await asyncio.to_thread(started, shop, database)
        ended = await running.stop()
        shop.expect(ended.code == 0 and "panicked" not in ended.err, f"{engine}: a running instance ended with {ended.code}")


async def runs_on(shop, running):
    engine = running.database.engine
    status, body = await request(running.target.port, None, PAGE, {})
    shop.expect(status == 200 and not body.get("errors"), f"{engine}: a running instance answers {status} {body}")
    status, said = await readiness(running)
    shop.note(f"{engine}: a running instance: readiness {status} {said}")
    # It has just answered from that database.
    shop.expect("does not answer" not in said, f"{engine}: a running instance says of its database what is not so: {said}")


def started(shop, database):
    """An older server on a newer schema."""
    serving = start(database, "serve", "--listen", "127.0.0.1:0")
    deadline = time.monotonic() + 20
    says = lambda: pathlib.Path(serving.outputs[1].name).read_text("utf-8", "replace")
    while is_alive(serving.pid) and "listening on" not in says() and time.monotonic() < deadline:
        time.sleep(0.05)
    serves = "listening on" in says()
    if is_alive(serving.pid):
        os.kill(serving.pid, signal.SIGTERM)
    ended = end(serving)
    said = ended.err.strip().splitlines()[-1:]
    shop.note(f"{database.engine}: an older server that is started {'serves' if serves else 'refuses'}: {said}")
    shop.expect("panicked" not in ended.err, f"{database.engine}: an older server panicked")
    plainly = ended.code == 0 if serves else ended.code == 1 and LATER in ended.err
    shop.expect(plainly, f"{database.engine}: an older server ended with {ended.code} and these words: {said}")


def add_migration(database):
    sql = f"INSERT INTO seaql_migrations (version, applied_at) VALUES ('{LATER}', 4102444800)"
    if database.engine == "PostgreSQL":
        psql(database.name, sql)
        return
    with contextlib.closing(sqlite3.connect(database.file, timeout=30)) as connection, connection:
        connection.execute(sql)

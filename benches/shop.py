"""A shop with many customers and ten entries in the ledger of each, loaded through SQL; the ledger verifies clean.

Every customer earned eight times, and spent the first of these earns before the last four. Entries lie in the table as
they came about, not by customer. How much a customer earned goes by the number of the customer, in four kinds."""

import base64
import contextlib
import datetime
import json
import sqlite3
import uuid

from regulars import psql

ENTRIES, EARNS = 10, 8
# What the first earn gave is set aside by the fifth entry and spent by the sixth.
HOLD, CAPTURE = 5, 6
KINDS = 4
# Thresholds that what is earned while measuring does not reach.
TIERS = (("silver", "Silver", 6_000), ("gold", "Gold", 15_000))
SETTINGS = {
    "time_zone": "UTC",
    "programme": {"expiry": {"MONTHS": 12}},
    "tiers": {"tiers": [{"code": code, "name": name, "threshold": threshold} for code, name, threshold in TIERS]},
}
# As SQL, for customer `n`: what each earn gave.
EARNED = f"(500 * (1 + n % {KINDS}))"
CUSTOMER, LOT, ENTRY, HELD, CHANGE = 1, 2, 3, 4, 5


def earned(kind):
    """The same, for a kind of customer."""
    return 500 * (1 + kind)


def numbered(kind, n):
    """The id of the row `n` of a kind."""
    return uuid.UUID(f"{kind:08x}-0000-7000-8000-{n:012x}")


def global_id(n):
    """As clients know customer `n`."""
    return base64.urlsafe_b64encode(b"Customer:" + numbered(CUSTOMER, n).hex.encode()).decode().rstrip("=")


def midnight(day):
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


def text(instant):
    """As both databases read it."""
    return instant.isoformat(timespec="seconds")


class Past:
    """When everything happened: one entry a week, the last three days ago."""

    def __init__(self):
        self.now = datetime.datetime.now(datetime.UTC)
        noon = midnight(self.now.date()) + datetime.timedelta(hours=12)
        self.joined = noon - datetime.timedelta(days=80)
        self.entries = [noon - datetime.timedelta(days=3 + 7 * (ENTRIES - seq)) for seq in range(1, ENTRIES + 1)]

    def at(self, seq):
        return text(self.entries[seq - 1])

    def expiry(self, seq):
        """The end of the day twelve months later, clamped to the end of its month."""
        day = self.entries[seq - 1].date()
        following = day.replace(day=1, year=day.year + 1 + day.month // 12, month=day.month % 12 + 1)
        last = (following - datetime.timedelta(days=1)).day
        return text(midnight(day.replace(day=1, year=day.year + 1)) + datetime.timedelta(days=min(day.day, last)))

    def tier(self, kind):
        """The tier of a kind of customer, as the rules of calendar years have it: code, until, noticed, looked at again."""
        best = None
        for year in (self.now.year, self.now.year - 1):
            days = [at for seq, at in enumerate(self.entries, 1) if seq not in (HOLD, CAPTURE) and at.year == year]
            reached = [rank for rank, tier in enumerate(TIERS) if tier[2] <= len(days) * earned(kind)]
            if reached:
                best = max(best or (-1, 0), (reached[-1], year + 2))
        if best is None:
            return None
        until = datetime.datetime(best[1], 1, 1, tzinfo=datetime.UTC)
        notice = until - datetime.timedelta(days=30)
        told = self.now >= notice
        return TIERS[best[0]][0], text(until), text(until) if told else None, text(until if told else notice)


def lot_of(seq):
    """Which earn an entry is, from 1."""
    return seq if seq < HOLD else seq - 2


def statements(past):
    """Fills the tables; the same SQL on both databases, over a table of the numbers of all customers."""
    yield "INSERT INTO shop_settings (version, body, created_at) VALUES (1, '" + json.dumps(SETTINGS) + f"', '{past.at(1)}')"
    yield f"""INSERT INTO customers (id, external_id, email, email_key, name, locale, registered_at, enrolled_at, created_at,
                                     updated_at)
        SELECT numbered({CUSTOMER}, n), 'c-' || n, 'c' || n || '@example.com', 'c' || n || '@example.com', 'Customer ' || n,
               'en', '{text(past.joined)}', '{text(past.joined)}', '{text(past.joined)}', '{text(past.joined)}' FROM numbers"""
    # What staff find customers by: without it the server would make up for it while it is measured.
    for word in ("'customer'", "'' || n", "'c' || n", "'example.com'", "'c' || n || '@example.com'"):
        yield f"INSERT INTO customer_words (word, customer_id) SELECT {word}, numbered({CUSTOMER}, n) FROM numbers"
    yield f"""INSERT INTO points_accounts (id, customer_id, issued, pending, available, held, redeemed, expired, revoked, debt,
                                           seq, changed_at, created_at)
        SELECT numbered({CUSTOMER}, n), numbered({CUSTOMER}, n), -{EARNS} * {EARNED}, 0, {EARNS - 1} * {EARNED}, 0, {EARNED}, 0,
               0, 0, {ENTRIES}, '{past.at(ENTRIES)}', '{text(past.joined)}' FROM numbers"""
    for seq in range(1, ENTRIES + 1):
        if seq == HOLD:
            yield from hold(past)
        elif seq == CAPTURE:
            yield entry(past, seq, "CAPTURE", ("HELD", "REDEEMED"), "hold_id", HELD, 1)
        else:
            yield from earn(past, seq)
    for kind in range(KINDS):
        yield from tier(past, kind)
    # As if the newest entry of each had come in by the API: tables that are empty when statements are planned are read
    # from end to end until PostgreSQL has looked at them again, a minute or more after it is measured.
    yield f"""INSERT INTO idempotency_keys (scope, key, operation, fingerprint, result, created_at)
        SELECT 'shop:past', 'k-' || n, 'pointsEarn', '', '{{}}', '{past.at(ENTRIES)}' FROM numbers"""
    yield f"""INSERT INTO outbox (id, topic, aggregate_id, payload, imported, occurred_at, position)
        SELECT numbered({ENTRY} + 256 * {ENTRIES}, n), 'points.earned', numbered({CUSTOMER}, n), '{{}}', true,
               '{past.at(ENTRIES)}', n FROM numbers"""


def entry(past, seq, kind, way, about, about_kind, about_number):
    """Ids follow one another as the entries do."""
    return f"""INSERT INTO points_entries (id, account_id, seq, kind, from_bucket, to_bucket, amount, {about}, reason, actor_kind,
                                           effective_at, recorded_at)
        SELECT numbered({ENTRY} + 256 * {seq}, n), numbered({CUSTOMER}, n), {seq}, '{kind}', '{way[0]}', '{way[1]}', {EARNED},
               numbered({about_kind} + 256 * {about_number}, n), {"'Order'" if kind == "EARN" else "NULL"}, 'SYSTEM',
               '{past.at(seq)}', '{past.at(seq)}' FROM numbers"""


def earn(past, seq):
    lot = lot_of(seq)
    state, remaining = ("SPENT", "0") if lot == 1 else ("OPEN", EARNED)
    yield f"""INSERT INTO points_lots (id, account_id, source, amount, pending, remaining, clawed_back, lapsed, state, opened_at,
                                       expires_at)
        SELECT numbered({LOT} + 256 * {lot}, n), numbered({CUSTOMER}, n), 'GRANT', {EARNED}, 0, {remaining}, 0, 0, '{state}',
               '{past.at(seq)}', '{past.expiry(seq)}' FROM numbers"""
    yield entry(past, seq, "EARN", ("ISSUED", "AVAILABLE"), "lot_id", LOT, lot)
    yield f"""INSERT INTO tier_days (account_id, unit, day, amount)
        SELECT numbered({CUSTOMER}, n), 'POINTS', '{past.at(seq)[:10]}', {EARNED} FROM numbers"""


def hold(past):
    yield f"""INSERT INTO points_holds (id, account_id, state, amount, reversed, value, reference, expires_at, created_at, ended_at)
        SELECT numbered({HELD} + 256, n), numbered({CUSTOMER}, n), 'CAPTURED', {EARNED}, 0, 0, 'Voucher', '{past.at(CAPTURE)}',
               '{past.at(HOLD)}', '{past.at(CAPTURE)}' FROM numbers"""
    yield entry(past, HOLD, "HOLD", ("AVAILABLE", "HELD"), "hold_id", HELD, 1)
    yield f"""INSERT INTO points_consumptions (entry_id, lot_id, hold_id, amount, refilled)
        SELECT numbered({ENTRY} + 256 * {HOLD}, n), numbered({LOT} + 256, n), numbered({HELD} + 256, n), {EARNED}, 0 FROM numbers"""


def tier(past, kind):
    found = past.tier(kind)
    if found is None:
        return
    code, until, noticed, due = found
    noticed = f"'{noticed}'" if noticed else "NULL"
    since = past.at(ENTRIES)
    yield f"""INSERT INTO customer_tiers (customer_id, tier, since, until, noticed, changes, due_at)
        SELECT numbered({CUSTOMER}, n), '{code}', '{since}', '{until}', {noticed}, 1, '{due}' FROM numbers
        WHERE n % {KINDS} = {kind}"""
    yield f"""INSERT INTO tier_changes (id, customer_id, number, to_tier, cause, at)
        SELECT numbered({CHANGE}, n), numbered({CUSTOMER}, n), 1, '{code}', 'REACHED', '{since}' FROM numbers
        WHERE n % {KINDS} = {kind}"""


def fill(database, customers):
    """Into the tables of a database that was migrated."""
    (fill_postgres if database.engine == "PostgreSQL" else fill_sqlite)(database, customers, Past())


def fill_postgres(database, customers, past):
    begin = f"""
        CREATE FUNCTION numbered(kind int, n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS
            $$ SELECT (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;
        CREATE TEMP TABLE numbers AS SELECT generate_series(1, {customers}) AS n;
        -- Looking up every foreign key would double the time; no row names one that is not loaded.
        SET LOCAL session_replication_role = replica;
    """
    psql(database.name, begin + ";\n".join(statements(past)) + "; DROP FUNCTION numbered(int, int);")
    psql(database.name, "VACUUM ANALYZE")
    psql(database.name, "CHECKPOINT")


def fill_sqlite(database, customers, past):
    with contextlib.closing(sqlite3.connect(database.file, isolation_level=None)) as connection:
        connection.create_function("numbered", 2, lambda kind, n: numbered(kind, n).bytes, deterministic=True)
        connection.execute("PRAGMA cache_size = -1000000")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO numbers VALUES (?)", ((n,) for n in range(1, customers + 1)))
        for sql in statements(past):
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def write_ids(file, customers):
    """For the clients: one id a line."""
    with open(file, "w", encoding="ascii") as lines:
        lines.writelines(global_id(n) + "\n" for n in range(1, customers + 1))


def uuid_in(database, id):
    """An id as SQL of this database writes it."""
    return f"'{id}'::uuid" if database.engine == "PostgreSQL" else f"x'{id.hex}'"

"""What time does costs what is due, and not what there is besides."""

import statistics
import time

from regulars import Database, check, end, equal, psql, run, start, verify

DUE, ROUNDS, FEW, MANY = 10_000, 5, 1_000_000, 2_000_000
# Lots of one account.
LOTS = 10

NUMBERED = """
    CREATE FUNCTION numbered(kind int, n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS
        $$ SELECT (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;
"""


def accounts(number, points, lots):
    return f"""
        INSERT INTO customers (id, external_id, created_at, updated_at)
            SELECT numbered(1, a), 'c-' || a, now(), now() FROM generate_series(1, {number}) AS a;
        INSERT INTO points_accounts (id, customer_id, issued, pending, available, held, redeemed, expired, revoked, debt,
                                     seq, changed_at, created_at)
            SELECT numbered(1, a), numbered(1, a), -{points}, 0, {points}, 0, 0, 0, 0, 0, {lots}, now(), now()
            FROM generate_series(1, {number}) AS a;
    """


class Lots:
    """Accounts of ten lots each of 100 points; in the first accounts one lot each has ended."""

    what, job, table, topic = "lots", "points.sweep", "points", "points_entries"
    left = "SELECT count(*) FROM points_lots WHERE state = 'OPEN' AND expires_at <= now()"
    took = "SELECT extract(epoch FROM max(recorded_at) - min(recorded_at)) FROM points_entries WHERE recorded_at > '{since}'"
    done = "SELECT count(*) FROM points_entries WHERE kind = 'EXPIRE' AND recorded_at > '{since}'"

    @staticmethod
    def fill(lots):
        yield NUMBERED
        yield accounts(lots // LOTS, LOTS * 100, LOTS)
        yield f"""
            INSERT INTO points_lots (id, account_id, source, amount, pending, remaining, clawed_back, lapsed, state,
                                     opened_at, expires_at)
                SELECT numbered(2, a * {LOTS} + l), numbered(1, a), 'GRANT', 100, 0, 100, 0, 0, 'OPEN',
                       now() - interval '1 year', now() + interval '1 year'
                FROM generate_series(1, {lots // LOTS}) AS a, generate_series(0, {LOTS - 1}) AS l;
            INSERT INTO points_entries (id, account_id, seq, kind, from_bucket, to_bucket, amount, lot_id, actor_kind,
                                        effective_at, recorded_at)
                SELECT numbered(3, a * {LOTS} + l), numbered(1, a), l + 1, 'EARN', 'ISSUED', 'AVAILABLE', 100,
                       numbered(2, a * {LOTS} + l), 'SYSTEM', now(), now()
                FROM generate_series(1, {lots // LOTS}) AS a, generate_series(0, {LOTS - 1}) AS l;
        """

    @staticmethod
    def make_due(number):
        """One more lot of each of the first accounts has ended."""
        return f"""
            UPDATE points_lots SET expires_at = now() - interval '1 minute'
            WHERE id IN (SELECT numbered(2, a * {LOTS} + {number}) FROM generate_series(1, {DUE}) AS a)
        """


class Tiers:
    """Members of a tier who had points enough for a lower one last year; the tier of some has ended."""

    what, job, table = "members", "tiers.sweep", "tier"
    left = "SELECT count(*) FROM customer_tiers WHERE due_at <= now()"
    took = "SELECT extract(epoch FROM max(at) - min(at)) FROM tier_changes WHERE at > '{since}'"
    done = "SELECT count(*) FROM tier_changes WHERE to_tier = 'silver' AND at > '{since}'"

    @staticmethod
    def fill(members):
        yield NUMBERED
        yield accounts(members, 0, 0)
        yield f"""
            INSERT INTO shop_settings (version, body, created_at) VALUES (1, '{{"tiers": {{"tiers": [
                {{"code": "silver", "name": "Silver", "threshold": 100}},
                {{"code": "gold", "name": "Gold", "threshold": 500}}]}}}}', now());
            INSERT INTO tier_days (account_id, unit, day, amount)
                SELECT numbered(1, a), 'POINTS', to_char(now(), 'YYYY') || '-01-0' || d, 75
                FROM generate_series(1, {members}) AS a, generate_series(1, 2) AS d;
            INSERT INTO customer_tiers (customer_id, tier, since, until, noticed, changes, due_at)
                SELECT numbered(1, a), 'gold', now(), now() + interval '1 year', NULL, 1, now() + interval '11 months'
                FROM generate_series(1, {members}) AS a;
        """

    @staticmethod
    def make_due(_number):
        return f"""
            UPDATE customer_tiers SET tier = 'gold', until = now() - interval '1 hour', due_at = now() - interval '1 hour'
            WHERE customer_id IN (SELECT numbered(1, a) FROM generate_series(1, {DUE}) AS a)
        """


def filled(kind, number):
    database = Database("PostgreSQL")
    equal(run(database, "migrate").code, 0, f"{number:,} {kind.what}: exit code of migrate")
    psql(database.name, "CREATE EXTENSION pg_stat_statements")
    for sql in kind.fill(number):
        psql(database.name, sql)
    # Recurring jobs have their rows once a worker has begun.
    worker = start(database, "worker")
    while not database.progress(f"SELECT count(*) FROM jobs WHERE kind = '{kind.job}'"):
        time.sleep(0.1)
    worker.terminate()
    end(worker)
    psql(database.name, "VACUUM ANALYZE")
    return database


def sweep(kind, database, number):
    """Seconds from the first thing that is done to the last, and statements."""
    psql(database.name, kind.make_due(number))
    psql(database.name, "VACUUM ANALYZE")
    psql(database.name, "CHECKPOINT")
    left = "/* proof */ " + kind.left
    if database.number(left) != DUE:
        check(False, f"{DUE} {kind.what} are due")
    since = database.rows("SELECT clock_timestamp()")[0][0]
    psql(database.name, "SELECT pg_stat_statements_reset()")
    psql(database.name, f"UPDATE jobs SET due_ms = 0, leased_until_ms = NULL WHERE kind = '{kind.job}'")
    worker, begun = start(database, "worker"), time.monotonic()
    while database.number(left) > 0:
        if time.monotonic() - begun > 120:
            check(False, "the sweep ended within two minutes")
        time.sleep(0.25)
    worker.terminate()
    if end(worker).code != 0 or database.number(kind.done.format(since=since)) != DUE:
        check(False, f"{DUE} {kind.what} were swept")
    calls = database.number(
        "SELECT sum(calls) FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = "
        f"current_database()) AND query LIKE '%{kind.table}%' AND query NOT LIKE '%/* proof */%'"
    )
    return float(database.rows(kind.took.format(since=since))[0][0]), calls


for kind in (Lots, Tiers):
    databases = {number: filled(kind, number) for number in (FEW, MANY)}
    measured = {number: [] for number in databases}
    for turn in range(ROUNDS):
        # In turns, each first as often as the other: what else the machine does counts for both.
        for number in sorted(databases, reverse=turn % 2 == 1):
            measured[number].append(sweep(kind, databases[number], turn))
            seconds, calls = measured[number][-1]
            print(f"  {DUE:,} of {number:,} {kind.what}: {seconds:.2f} s, {calls} statements", flush=True)
    for database in databases.values():
        if kind is Lots:
            equal(verify(database).value("expired"), str(DUE * ROUNDS * 100), "points that ended")
    few, many = (statistics.median(seconds for seconds, _ in measured[number]) for number in (FEW, MANY))
    calls = [statistics.median(calls for _, calls in measured[number]) for number in (FEW, MANY)]
    print(f"  {kind.what}: {few:.2f} s of {FEW:,}, {many:.2f} s of {MANY:,} ({(many / few - 1) * 100:+.1f} %)")
    check(abs(calls[1] - calls[0]) <= calls[0] * 0.05, f"as many statements: {calls[0]:.0f} and {calls[1]:.0f}")
    check(many <= few * 1.1, "twice as many untouched change the time by less than 10 %")
    for database in databases.values():
        psql("postgres", f'DROP DATABASE "{database.name}" WITH (FORCE)')

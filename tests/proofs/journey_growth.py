"""What is due in a minute costs what is due, and not how many customers there are."""

import asyncio
import re
import statistics
import time

from regulars import DIRECTORY, Database, Server, check, end, equal, psql, request, run, start

SIZES, DUE, ROUNDS = (10_000, 100_000, 1_000_000), 1_000, 3
JOURNEYS = (
    "order_confirmation",
    "delivery_confirmation",
    "thank_you",
    "care_tips",
    "after_sale_question",
    "inactive_notice",
    "reactivation_question",
    "second_purchase",
    "regular_customer",
    "we_miss_you",
    "replenishment",
    "abandoned_cart",
)
# What their steps are about, other than an order.
ABOUT = {"care_tips": "product", "replenishment": "product", "abandoned_cart": "cart"}
# What everybody waits for besides, in the far future.
LATER = ("we_miss_you", "inactive_notice")
SIGN_IN = "mutation ($input: StaffSignInInput!) { staffSignIn(input: $input) { tokens { accessToken } } }"
PUBLISH = "mutation ($input: JourneyInput!) { journeyPublish(input: $input) { userErrors { code } } }"
NUMBERED = """
    CREATE FUNCTION numbered(kind int, n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS
        $$ SELECT (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;
"""
QUIET = """
    INSERT INTO shop_settings (version, body, created_at) VALUES (1, '{"messages": {"quiet_from": "00:00:00",
        "quiet_until": "00:00:00", "per_day": 50, "per_week": 200}}', now());
"""


async def publish(database):
    server = Server(database, "--no-worker").up()
    made = run(database, "staff", "create", "--email", "owner@example.org", "--role", "owner")
    password = re.search(r"password:?\s+(\S+)", made.out + made.err).group(1)
    given = {"email": "owner@example.org", "password": password}
    _, body = await request(server.port, None, SIGN_IN, {"input": given})
    token = body["data"]["staffSignIn"]["tokens"]["accessToken"]
    for code in JOURNEYS:
        _, body = await request(server.port, token, PUBLISH, {"input": {"code": code, "idempotencyKey": code}})
        equal(body["data"]["journeyPublish"]["userErrors"], [], f"{code} was published")
    equal(server.stop().code, 0, "exit code of the stopped server")


def facts(code):
    """What a step of a journey is about, for the person `n`."""
    if ABOUT.get(code) == "cart":
        return "jsonb_build_object('cart', numbered(9, n), 'since', now() - interval '2 days')"
    if ABOUT.get(code) == "product":
        return "jsonb_build_object('order', numbered(2, n), 'product', numbered(8, n % 100))"
    return "jsonb_build_object('order', numbered(2, n))"


def people(number):
    """Customers who bought once, consented, and wait in three journeys each: in one of the twelve, and in two for long."""
    # So that those who are due in one turn are as many in each journey.
    place = f"(n / {number // DUE}) % {len(JOURNEYS)}"
    yield f"""
        INSERT INTO customers (id, external_id, email, email_key, name, created_at, updated_at)
            SELECT numbered(1, n), 'c-' || n, 'c-' || n || '@example.org', 'c-' || n || '@example.org', 'Joan', now(), now()
            FROM generate_series(1, {number}) AS n;
        INSERT INTO products (id, sku, name, categories, companions, archived, restocks, replenish_after_days, created_at,
                              updated_at)
            SELECT numbered(8, n), 'A-' || n, 'Tea', '[]', '[]', false, 0, 30, now(), now() FROM generate_series(0, 99) AS n;
        INSERT INTO orders (id, external_id, fingerprint, customer_id, email, email_key, channel, currency, state, lines_total,
                            shipping, hold_value, imported, placed_at, paid_at, recorded_at)
            SELECT numbered(2, n), 'o-' || n, '', numbered(1, n), 'c-' || n || '@example.org', 'c-' || n || '@example.org', 'web',
                   'EUR', 'PAID', 1000, 0, 0, false, now() - interval '30 days', now() - interval '30 days', now()
            FROM generate_series(1, {number}) AS n;
        INSERT INTO order_lines (id, order_id, position, sku, name, categories, quantity, returned, line_total, redeemed_value,
                                 redeemed_points)
            SELECT numbered(3, n), numbered(2, n), 1, 'A-' || n % 100, 'Tea', '[]', 1, 0, 1000, 0, 0
            FROM generate_series(1, {number}) AS n;
        INSERT INTO carts (id, external_id, identity, customer_id, currency, lines, total, touched_at, created_at, updated_at)
            SELECT numbered(9, n), 'c-' || n, 'customer:' || numbered(1, n), numbered(1, n), 'EUR',
                   '[{{"sku": "A-1", "name": "Tea", "quantity": 1, "lineTotal": 1000}}]', 1000, now() - interval '2 days',
                   now() - interval '2 days', now() - interval '2 days'
            FROM generate_series(1, {number}) AS n WHERE {place} = {JOURNEYS.index("abandoned_cart")};
    """
    for kind, purpose in ((4, "OFFERS"), (10, "REMINDERS")):
        yield f"""
            INSERT INTO consents (id, person_id, purpose, channel, state, opt_in, source, proof, actor_kind, at, recorded_at)
                SELECT numbered({kind}, n), numbered(1, n), '{purpose}', 'EMAIL', 'GRANTED', 'DOUBLE', 'IMPORT', '{{}}', 'SYSTEM',
                       now(), now()
                FROM generate_series(1, {number}) AS n;
            INSERT INTO consent_states (person_id, purpose, channel, state, opt_in, at, consent_id)
                SELECT numbered(1, n), '{purpose}', 'EMAIL', 'GRANTED', 'DOUBLE', now(), numbered({kind}, n)
                FROM generate_series(1, {number}) AS n;
        """
    runs = """
        INSERT INTO journey_runs (id, journey_id, version, person_id, cause, facts, step, state, held_out, deferrals, sent,
                                  happened_at, due_at, first_due_at, entered_at)
            SELECT numbered({kind}, n), (SELECT id FROM journeys WHERE code = '{code}'), 1, numbered(1, n), '{cause}:' || n,
                   {facts}, 0, 'WAITING', false, 0, 0, now() - interval '1 day', now() + interval '200 days',
                   now() + interval '200 days', now()
            FROM generate_series(1, {number}) AS n WHERE {where};
    """
    for index, code in enumerate(JOURNEYS):
        where = f"{place} = {index}"
        yield runs.format(kind=5, code=code, cause="due", facts=facts(code), number=number, where=where)
    for kind, code in enumerate(LATER, 6):
        yield runs.format(kind=kind, code=code, cause="later", facts=facts(code), number=number, where="true")


def filled(number):
    database = Database("PostgreSQL")
    equal(run(database, "migrate").code, 0, f"{number:,} customers: exit code of migrate")
    psql(database.name, "CREATE EXTENSION pg_stat_statements")
    psql(database.name, QUIET)
    asyncio.run(publish(database))
    psql(database.name, NUMBERED)
    for sql in people(number):
        psql(database.name, sql)
    # Recurring jobs have their rows once a worker has begun.
    worker = start(database, "worker")
    while not database.progress("SELECT count(*) FROM jobs WHERE kind = 'journeys.tick'"):
        time.sleep(0.1)
    worker.terminate()
    end(worker)
    return database


def tick(database, number, turn):
    """Seconds from the tick to the last message that is sent, and statements; steps of people far apart are due."""
    chosen = f"n % {number // DUE} = {turn}"
    psql(
        database.name,
        f"""UPDATE journey_runs SET due_at = now(), first_due_at = now() WHERE id IN
            (SELECT numbered(5, n) FROM generate_series(1, {number}) AS n WHERE {chosen})""",
    )
    psql(database.name, "VACUUM ANALYZE")
    psql(database.name, "SELECT pg_stat_statements_reset()")
    psql(database.name, "UPDATE jobs SET due_ms = 0, leased_until_ms = NULL WHERE kind = 'journeys.tick'")
    mails = DIRECTORY / f"{database.name}.mails"
    worker, begun = start(database, "worker", "--smtp-url", f"file://{mails}"), time.monotonic()
    wanted = DUE * (turn + 1)
    while (sent := database.number("/* proof */ SELECT count(*) FROM messages WHERE state = 'SENT'")) < wanted:
        if time.monotonic() - begun > 120:
            check(False, f"{DUE} messages were sent within two minutes: {sent}")
        time.sleep(0.1)
    worker.terminate()
    equal(end(worker).code, 0, "exit code of the worker")
    took = database.rows(
        "/* proof */ SELECT extract(epoch FROM max(ended_at) - min(queued_at)) FROM (SELECT * FROM messages ORDER BY queued_at "
        f"DESC LIMIT {DUE}) AS last"
    )
    calls = database.number(
        "SELECT sum(calls) FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = "
        "current_database()) AND query LIKE '%journey_runs%' AND query NOT LIKE '%/* proof */%'"
    )
    every = database.number(
        "SELECT sum(calls) FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = "
        "current_database()) AND query NOT LIKE '%/* proof */%'"
    )
    return float(took[0][0]), calls, every


databases = {number: filled(number) for number in SIZES}
measured = {number: [] for number in SIZES}
for turn in range(ROUNDS):
    # In turns, each first as often as the others: what else the machine does counts for all.
    for place in range(len(SIZES)):
        number = SIZES[(place + turn) % len(SIZES)]
        measured[number].append(tick(databases[number], number, turn))
        seconds, calls, every = measured[number][-1]
        print(f"  {DUE:,} due of {number:,}: {seconds:.2f} s, {calls} statements on journeys, {every} in all", flush=True)
middle = {number: [statistics.median(one[part] for one in measured[number]) for part in range(3)] for number in SIZES}
few, many = SIZES[0], SIZES[-1]
for number in SIZES:
    print(f"  {number:>9,} customers: {middle[number][0]:.2f} s, {middle[number][1]:.0f} and {middle[number][2]:.0f} statements")
check(middle[many][1] <= middle[few][1] * 1.2 + 5, "a hundred times as many customers cost no more statements")
check(middle[many][0] <= middle[few][0] * 1.5 + 0.2, "nor more time")

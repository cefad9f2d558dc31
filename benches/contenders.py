"""What is measured: Regulars on either database, PostgreSQL itself, and PostGraphile; each knows how it is driven, and how
to find out whether what it answered is true."""

import asyncio
import http.client
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import time
import urllib.request

import load
import shop
import usage
from regulars import DIRECTORY, POSTGRES, Database, Server, api_key, check, equal, psql, request, run, running, verify

DATABASE_PROCESS = int(os.environ["POSTGRES_PROCESS"])
LIMIT = pathlib.Path(__file__).parent / "limit"
# Customers of the given schema.
LIMIT_CUSTOMERS = 100_000
# What each earns and spends while measuring.
POINTS = 10
SAMPLE = 20

READ = """query Q($id: ID!) { customer(id: $id) { name points { available entries(first: 10) { nodes { id kind points recordedAt } } }
    tier { tier { code } } } }"""
# The mutation that gives points and does nothing else, as the peer's does; an adjustment is for staff, and an order is more.
EARN = "mutation M($input: PointsEarnInput!) { pointsEarn(input: $input) { points replayed userErrors { code message } } }"
REDEEM = "mutation M($input: PointsRedeemInput!) { pointsRedeem(input: $input) { points replayed userErrors { code message } } }"
TYPENAME = "{ __typename }"
PEER_READ = (
    "query Q($id: BigInt!) { customerById(id: $id) { name pointsAccountByCustomerId { balance lifetime } "
    "pointsEntriesByCustomerId(first: 10, orderBy: [ID_DESC]) { nodes { id kind points createdAt } } } }"
)
PEER_CHANGE = (
    "mutation M($id: BigInt!, $key: String!) { %s(input: {customer: $id, points: \"10\", key: $key}) { pointsEntry { id points } } }"
)
PEER_CHANGES = {"earn": PEER_CHANGE % "earnPoints", "redeem": PEER_CHANGE % "redeemPoints"}


def ask(port, key, query, variables):
    """One request that has to be answered well; its data."""
    status, body = asyncio.run(request(port, key, query, variables))
    if status != 200 or not isinstance(body, dict) or body.get("errors"):
        check(False, f"an answer to {query[:40]}…: {status} {body}")
    return body["data"]


def picked(customers):
    return random.sample(range(1, customers + 1), min(SAMPLE, customers))


class Regulars:
    """The release binary as a shop runs it: in production, with its worker, logging to a file."""

    def __init__(self, engine, customers):
        self.engine, self.customers, self.number = engine, customers, 0
        self.name = "Regulars" if engine == "PostgreSQL" else "Regulars on SQLite"
        self.database = Database(engine)
        equal(run(self.database, "migrate").code, 0, f"{self.name}: exit code of migrate")
        begun = time.monotonic()
        shop.fill(self.database, customers)
        print(f"  {customers:,} customers loaded in {time.monotonic() - begun:.0f} s")
        verified = verify(self.database)
        equal(verified.value("entries"), str(customers * shop.ENTRIES), "entries in the ledger")
        self.key = api_key(self.database, "customers:read", "points:write")
        self.ids = DIRECTORY / f"{self.database.name}.ids"
        shop.write_ids(self.ids, customers)
        self.serve()

    def serve(self):
        self.server = self.another()
        self.process, self.port = self.server.process.pid, self.server.port

    def another(self):
        """One more instance on the same database."""
        # Nobody is written to: no customer has consented, and a mail server is only asked for.
        return Server(self.database, "--mode", "production", "--smtp-url", "smtp://127.0.0.1:9").up()

    def choose(self, _case):
        """One server for all cases."""

    def roots(self):
        return [self.process, DATABASE_PROCESS] if self.engine == "PostgreSQL" else [self.process]

    def database_name(self, _case):
        return self.database.name if self.engine == "PostgreSQL" else None

    def body(self, case):
        query, variables = {
            "read": (READ, {"id": "%s"}),
            "earn": (EARN, {"input": {"customerId": "%s", "points": POINTS, "reason": "Review", "idempotencyKey": "%s"}}),
            "redeem": (REDEEM, {"input": {"customerId": "%s", "points": POINTS, "reference": "Voucher", "idempotencyKey": "%s"}}),
            "typename": (TYPENAME, {}),
        }[case]
        return json.dumps({"query": " ".join(query.split()), "variables": variables})

    def begin(self, case, connections, seconds, port=None):
        self.number += 1
        variables = {"BODY": self.body(case), "API_KEY": self.key, "IDS": str(self.ids)}
        variables |= {"RUN": f"{self.database.name}-{self.number}", "SEED": str(random.randrange(2**31))}
        return load.begin_wrk(port or self.port, "request.lua", variables, connections, seconds)

    def drive(self, case, connections, seconds):
        refused = self.refused()
        driven = load.end_wrk(self.begin(case, connections, seconds))
        driven.failed = max(driven.failed, self.refused() - refused)
        return driven

    def refused(self):
        """Answers so far with a status that is no success or an error in them, as the server counts them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        errors = re.findall(r"^regulars_graphql_errors_total\{.*\} (\d+)$", text, re.MULTILINE)
        statuses = re.findall(r'^regulars_http_requests_total\{.*status="[345]\d\d".*\} (\d+)$', text, re.MULTILINE)
        return sum(map(int, errors + statuses))

    def done(self, case):
        """Rows that tell how many of these were done; none for what leaves no row."""
        kind = {"earn": "EARN", "redeem": "CAPTURE"}.get(case)
        return kind and self.database.number(f"SELECT count(*) FROM points_entries WHERE kind = '{kind}'")

    def behind(self):
        """Events that wait for the relay."""
        return self.database.number("/* bench */ SELECT count(*) FROM outbox WHERE position IS NULL")

    def rest(self):
        """Waits until everything that was set off is done; answers for how long."""
        begun = time.monotonic()
        while self.behind():
            if time.monotonic() - begun > 120:
                check(False, f"{self.name}: no event waits after two minutes")
            time.sleep(0.25)
        return time.monotonic() - begun + usage.rest(self.roots())

    def sample(self, case):
        """Some requests whose answers are held against the database."""
        for n in picked(self.customers):
            getattr(self, f"sample_{case}", lambda n: ask(self.port, self.key, TYPENAME, {}))(n)

    def sample_read(self, n):
        customer = ask(self.port, self.key, READ, {"id": shop.global_id(n)})["customer"]
        points, tier = customer["points"], customer["tier"]["tier"]
        nodes = [f"{entry['kind']} {entry['points']}" for entry in points["entries"]["nodes"]]
        found = (customer["name"], points["available"], tier and tier["code"], nodes)
        id = shop.uuid_in(self.database, shop.numbered(shop.CUSTOMER, n))
        [[available]] = self.database.rows(f"SELECT available FROM points_accounts WHERE id = {id}")
        tiers = self.database.rows(f"SELECT tier FROM customer_tiers WHERE customer_id = {id}")
        entries = f"SELECT kind, amount FROM points_entries WHERE account_id = {id} ORDER BY seq DESC LIMIT 10"
        entries = [f"{kind} {amount}" for kind, amount in self.database.rows(entries)]
        expected = (f"Customer {n}", int(available), tiers[0][0] if tiers else None, entries)
        if found != expected:
            check(False, f"{self.name}: customer {n} is {expected}, and answered is {found}")

    def sample_earn(self, n):
        self.sample_change(n, "pointsEarn", EARN, "reason", POINTS)

    def sample_redeem(self, n):
        self.sample_change(n, "pointsRedeem", REDEEM, "reference", -POINTS)

    def sample_change(self, n, field, query, why, expected):
        self.number += 1
        given = {"customerId": shop.global_id(n), "points": POINTS, why: "Sample"}
        given["idempotencyKey"] = f"{self.database.name}-sample-{self.number}"
        id = shop.uuid_in(self.database, shop.numbered(shop.CUSTOMER, n))
        balance = f"SELECT available FROM points_accounts WHERE id = {id}"
        before = self.database.number(balance)
        payload = ask(self.port, self.key, query, {"input": given})[field]
        if payload != {"points": POINTS, "replayed": False, "userErrors": []} or self.database.number(balance) != before + expected:
            check(False, f"{self.name}: {field} of customer {n}, who had {before}, answers {payload}")

    def verify(self):
        """Everything agrees with everything, after all that was done."""
        verify(self.database)
        of_days = "SELECT count(*) FROM (SELECT account_id, sum(amount) AS days FROM tier_days GROUP BY account_id) AS d JOIN "
        of_days += "points_accounts AS a ON a.id = d.account_id WHERE d.days <> -a.issued"
        equal(self.database.number(of_days), 0, f"{self.name}: accounts of which something else counts for tiers than was earned")
        for case, topic in (("earn", "points.earned"), ("redeem", "points.redeemed")):
            loaded = self.customers * (shop.EARNS if case == "earn" else 1)
            events = self.database.number(f"SELECT count(*) FROM outbox WHERE topic = '{topic}' AND NOT imported")
            equal(events, self.done(case) - loaded, f"{self.name}: events of {case}s, one for each")

    def stop(self):
        equal(self.server.stop().code, 0, f"{self.name}: exit code of the stopped server")


class Schema:
    """The given schema and its rows, and beside it, in a database of its own, what spending takes."""

    def __init__(self):
        for name in ("limit_given", "limit_redeem"):
            psql("postgres", f"CREATE DATABASE {name}" + (" TEMPLATE limit_given" if name == "limit_redeem" else ""))
            script = "limit-schema.sql" if name == "limit_given" else "redeem-schema.sql"
            psql(name, (LIMIT / script).read_text())
            psql(name, "VACUUM ANALYZE")
        psql("postgres", "CHECKPOINT")

    @staticmethod
    def name(case):
        return "limit_redeem" if case == "redeem" else "limit_given"

    @staticmethod
    def done(case):
        kind = {"earn": "earn", "redeem": "redeem"}.get(case)
        return kind and int(psql(Schema.name(case), f"SELECT count(*) FROM loyalty.points_entry WHERE kind = '{kind}'"))

    @staticmethod
    def verify():
        drift = "SELECT count(*) FROM loyalty.points_account a JOIN (SELECT customer_id, sum(remaining) AS sum FROM "
        drift += "loyalty.points_lot GROUP BY customer_id) l USING (customer_id) WHERE l.sum <> a.balance"
        equal(int(psql("limit_redeem", drift)), 0, "the given schema: balances that are not what the lots say")


class Limit:
    """PostgreSQL itself: the statements by pgbench, with nothing in between."""

    name, engine = "pgbench", "PostgreSQL"
    process = None

    def __init__(self, schema):
        self.schema, self.done, self.verify = schema, schema.done, schema.verify

    def choose(self, _case):
        """There is no server but the database's."""

    def roots(self):
        return [DATABASE_PROCESS]

    def database_name(self, case):
        return Schema.name(case)

    def drive(self, case, connections, seconds, look=False):
        return load.pgbench(f"{POSTGRES}/{Schema.name(case)}", f"{case}.pgbench", connections, seconds, look)

    def rest(self):
        return usage.rest(self.roots())

    def sample(self, _case):
        """pgbench ends at the first statement that fails."""

    def stop(self):
        """Nothing is left running."""


class Peer:
    """PostGraphile on the given schema: one server for each of its two databases, of which one is under load."""

    name, engine = "PostGraphile", "PostgreSQL"

    def __init__(self, schema):
        self.schema, self.done, self.verify = schema, schema.done, schema.verify
        self.servers = {name: self.serve(name) for name in ("limit_given", "limit_redeem")}

    def serve(self, name):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [os.environ["POSTGRAPHILE"], "-c", f"{POSTGRES}/{name}", "-s", "loyalty", "-n", "127.0.0.1", "-p", str(port)]
        with open(DIRECTORY / f"{name}.peer.log", "wb") as log:
            process = subprocess.Popen(
                [*command, "--disable-graphiql", "--disable-query-log"],
                env=dict(os.environ, NODE_ENV="production"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        running.append(process)
        deadline = time.monotonic() + 60
        while not self.answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                check(False, "PostGraphile comes up")
            time.sleep(0.1)
        return process, port

    @staticmethod
    def answers(port):
        try:
            return ask(port, None, TYPENAME, {})
        except OSError:
            return None

    def choose(self, case):
        process, self.port = self.servers[Schema.name(case)]
        self.process = process.pid

    def roots(self):
        return [process.pid for process, _ in self.servers.values()] + [DATABASE_PROCESS]

    def database_name(self, case):
        return Schema.name(case)

    def drive(self, case, connections, seconds):
        self.choose(case)
        changes = {name: query.replace('"', '\\"') for name, query in PEER_CHANGES.items()}
        script, variables = {
            "read": ("read.lua", {"READ_QUERY": PEER_READ}),
            "earn": ("earn.lua", {"EARN_QUERY": changes["earn"]}),
            "redeem": ("earn.lua", {"EARN_QUERY": changes["redeem"]}),
            "typename": ("request.lua", {"BODY": json.dumps({"query": TYPENAME}), "RUN": "peer", "SEED": "1"}),
        }[case]
        driven = load.end_wrk(load.begin_wrk(self.port, script, variables, connections, seconds))
        if case == "read" and abs(driven.bytes / self.answer_bytes() - 1) > 0.05:
            # An answer with errors has another size, and nothing else tells it from a right one.
            driven.failed = driven.requests
        return driven

    def answer_bytes(self):
        """Of right answers with their heads, on average."""
        total = 0
        for n in picked(LIMIT_CUSTOMERS):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            body = json.dumps({"query": PEER_READ, "variables": {"id": str(n)}})
            connection.request("POST", "/graphql", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n\r\n" + "".join(f"{a}: {b}\r\n" for a, b in answer.getheaders())
            total += len(head) + len(answer.read())
            connection.close()
        return total / SAMPLE

    def rest(self):
        return usage.rest(self.roots())

    def sample(self, case):
        self.choose(case)
        for n in picked(LIMIT_CUSTOMERS):
            if case == "read":
                self.sample_read(n)
            elif case in PEER_CHANGES:
                field = {"earn": "earnPoints", "redeem": "redeemPoints"}[case]
                variables = {"id": str(n), "key": f"sample-{random.randrange(2**62)}"}
                entry = ask(self.port, None, PEER_CHANGES[case], variables)[field]["pointsEntry"]
                if entry["points"] != str(POINTS):
                    check(False, f"PostGraphile: {field} answers {entry}")

    def sample_read(self, n):
        customer = ask(self.port, None, PEER_READ, {"id": str(n)})["customerById"]
        found = [int(entry["id"]) for entry in customer["pointsEntriesByCustomerId"]["nodes"]]
        entries = f"SELECT id FROM loyalty.points_entry WHERE customer_id = {n} ORDER BY id DESC LIMIT 10"
        expected = [int(id) for id in psql("limit_given", entries).splitlines()]
        if customer["name"] != f"Customer {n}" or found != expected:
            check(False, f"PostGraphile: customer {n} has the entries {expected}, and answered is {customer}")

    def stop(self):
        for process, _ in self.servers.values():
            process.terminate()
            process.wait(timeout=30)
            running.remove(process)

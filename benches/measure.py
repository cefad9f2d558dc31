"""Measurements: one, rounds of them in turns, and what takes a run of its own."""

import http.client
import os
import socket
import time

import load
import usage
from contenders import DATABASE_PROCESS, Limit
from regulars import check, end, psql, start

# So long, so often.
WARM_UP_SECONDS, LOOK_SECONDS, IDLE_SECONDS, STARTS = 2, 2, 10, 10
# While statements are counted.
COUNT_CONNECTIONS = 16

failures = []


def fail(what):
    """A run with this in it is no success, but goes on: what else it finds may tell why."""
    failures.append(what)
    print("  WRONG " + what, flush=True)


def once(contender, case, connections, seconds):
    """One measurement with all that it took; the next may follow at once."""
    contender.choose(case)
    before = contender.done(case)
    taken = Taken(contender)
    with usage.Resident(contender.process) as resident:
        driven = contender.drive(case, connections, seconds)
    server, database, others = taken.by_now()
    rested = contender.rest()
    account(contender, case, f"at {connections}", connections, driven, before)
    return {
        "rate": driven.rate,
        "p50": driven.p50,
        "p99": driven.p99,
        "requests": driven.requests,
        "late": driven.late,
        "server_us": server * 1e6 / driven.requests,
        "database_us": database * 1e6 / driven.requests if contender.engine == "PostgreSQL" else None,
        "others": others,
        "resident": resident.most,
        "rested": rested,
    }


class Taken:
    """Seconds of the processors from here on."""

    def __init__(self, contender):
        self.contender, self.begun = contender, time.monotonic()
        self.before = self.now()

    def now(self):
        server = usage.cpu_seconds(self.contender.process) if self.contender.process else 0.0
        return server, usage.cpu_seconds(DATABASE_PROCESS), usage.clients_seconds(), usage.busy_seconds()

    def by_now(self):
        """By the server, by the database, and the share of the machine, in per cent, that whoever else took."""
        server, database, client, busy = (now - before for now, before in zip(self.now(), self.before))
        others = (busy - server - database - client) / (time.monotonic() - self.begun) / os.cpu_count()
        return server, database, max(0.0, 100 * others)


def account(contender, case, how, connections, driven, before):
    """Whether as many were done as were answered: at the end wrk leaves what is on its way."""
    what = f"{contender.name}, {case} {how}"
    if driven.failed:
        fail(f"{what}: {driven.failed} of {driven.requests} without a right answer")
    if before is not None:
        rows = contender.done(case) - before
        left = 0 if isinstance(contender, Limit) else connections
        if not driven.requests <= rows <= driven.requests + left:
            fail(f"{what}: {driven.requests} were answered, {rows} were done")


def rounds(contenders, options):
    """Every case at every number of connections by every contender, in turns: what else the machine does counts for all."""
    measured = []
    for case in options.only:
        able = [contender for contender in contenders if not (case == "typename" and isinstance(contender, Limit))]
        for contender in able:
            contender.choose(case)
            contender.sample(case)
            contender.drive(case, COUNT_CONNECTIONS, WARM_UP_SECONDS)
            contender.rest()
        found = {(contender.name, number): [] for contender in able for number in options.connections}
        for turn in range(options.rounds):
            for number in options.connections:
                first = turn % len(able)
                for contender in able[first:] + able[:first]:
                    one = once(contender, case, number, options.seconds)
                    found[contender.name, number].append(one)
                    tell(contender, case, number, one)
        for contender in able:
            contender.sample(case)
        for (name, number), results in found.items():
            measured.append({"contender": name, "case": case, "connections": number, "rounds": results})
    return measured


def tell(contender, case, connections, one):
    latency = f"p50 {one['p50']:.2f} ms, p99 {one['p99']:.2f} ms, " if one["p50"] else ""
    database = f" + {one['database_us']:.0f}" if one["database_us"] is not None else ""
    print(
        f"  {case:<8} {connections:>3}  {contender.name:<20} {one['rate']:>8,.0f}/s  {latency}"
        f"{one['server_us']:.0f}{database} µs of processor, {one['resident']:.0f} MB, at rest after {one['rested']:.1f} s, "
        f"others took {one['others']:.0f} %" + (f", {one['late']} later than 2 s" if one["late"] else ""),
        flush=True,
    )


def counting(what):
    """Which statements PostgreSQL counts: it does in runs of their own, since that takes some of the speed."""
    psql("postgres", f"ALTER SYSTEM SET pg_stat_statements.track = '{what}'")
    psql("postgres", "SELECT pg_reload_conf()")
    time.sleep(0.5)


def statements(contender, case):
    """Statements that the database was sent for each request, what the worker does afterwards among them, but without those
    that begin and end transactions: of prepared ones the server counts only the first."""
    contender.choose(case)
    counting("top")
    psql("postgres", "SELECT pg_stat_statements_reset()")
    driven = contender.drive(case, COUNT_CONNECTIONS, LOOK_SECONDS)
    contender.rest()
    of_database = f"dbid = (SELECT oid FROM pg_database WHERE datname = '{contender.database_name(case)}')"
    counted = "query NOT LIKE '%/* bench */%' AND query !~* '^(begin|commit|rollback|savepoint|release)'"
    calls = int(psql("postgres", f"SELECT sum(calls) FROM pg_stat_statements WHERE {of_database} AND {counted}") or 0)
    counting("none")
    return calls / driven.requests


def details(contenders, options):
    """What takes some of the speed to find out: statements for each request, and the percentiles of pgbench."""
    counted, times = {}, []
    for contender in contenders:
        if contender.engine != "PostgreSQL":
            continue
        for case in options.only:
            if case == "typename" and isinstance(contender, Limit):
                continue
            counted[f"{contender.name} {case}"] = statements(contender, case)
            print(f"  {contender.name}, {case}: {counted[f'{contender.name} {case}']:.1f} statements for each", flush=True)
            for connections in options.connections if isinstance(contender, Limit) else ():
                looked = contender.drive(case, connections, LOOK_SECONDS, look=True)
                times.append({"case": case, "connections": connections, "p50": looked.p50, "p99": looked.p99})
            contender.rest()
    return counted, times


def idle(contender):
    """Of one core, in per cent, while nobody asks for anything: the server, and its database."""
    contender.rest()
    roots = contender.roots()
    before, begun = [usage.cpu_seconds(root) for root in roots], time.monotonic()
    time.sleep(IDLE_SECONDS)
    took = time.monotonic() - begun
    used = [usage.cpu_seconds(root) - earlier for root, earlier in zip(roots, before)]
    print(f"  {contender.name} idles with {', '.join(f'{100 * one / took:.2f} %' for one in used)} of a core", flush=True)
    return [100 * one / took for one in used]


def starts(database):
    """Milliseconds from the start of the process to its first answer, on a file that is there."""
    times = []
    for _ in range(STARTS):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        listen = ("--listen", f"127.0.0.1:{port}")
        process = start(database, "serve", *listen, "--mode", "production", "--smtp-url", "smtp://127.0.0.1:9")
        while not answers(port):
            if process.poll() is not None:
                check(False, "the server starts on a file that is there")
            time.sleep(0.0005)
        times.append((time.monotonic() - process.begun) * 1_000)
        process.terminate()
        check(end(process).code == 0, f"an answer {times[-1]:.0f} ms after the start")
    return times


def answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/graphql", '{"query":"{ __typename }"}', {"content-type": "application/json"})
        return connection.getresponse().status == 200
    except ConnectionError:
        return False
    finally:
        connection.close()


def two(contender, options):
    """Two instances on one database under load at once, each from a client of its own."""
    other = contender.another()
    found = {}
    for case in (case for case in options.only if case != "typename"):
        rates = []
        for _ in range(options.rounds):
            before = contender.done(case)
            clients = [contender.begin(case, 32, options.seconds, port) for port in (contender.port, other.port)]
            driven = [load.end_wrk(client) for client in clients]
            contender.rest()
            both = load.Driven(sum(one.requests for one in driven), sum(one.rate for one in driven))
            both.failed = sum(one.failed for one in driven)
            account(contender, case, "by two instances", 64, both, before)
            rates.append(both.rate)
        found[case] = rates
        print(f"  {case} by two instances: {', '.join(f'{rate:,.0f}/s' for rate in rates)}", flush=True)
    check(other.stop().code == 0, "the second instance stopped")
    return found

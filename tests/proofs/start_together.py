"""Instances that start at once wait for each other's migrations."""

import asyncio

from regulars import Database, Server, check, equal, raw_request, run, verify

ROUNDS, INSTANCES = 5, 4


async def answers(server):
    status, body = await raw_request(server.port, None, b'{"query":"{ shop { name } }"}')
    equal((status, body.get("errors")), (200, None), f"the server on port {server.port} answers after {server.seconds:.1f} s")


slowest = 0.0
for turn in range(ROUNDS):
    print(f"PostgreSQL, empty, {INSTANCES} servers at once: {turn + 1} of {ROUNDS}")
    database = Database("PostgreSQL")
    servers = [Server(database) for _ in range(INSTANCES)]
    for server in servers:
        asyncio.run(answers(server.up()))
        slowest = max(slowest, server.seconds)
    for server in servers:
        stopped = server.stop()
        equal(stopped.code, 0, "exit code of a stopped server")
        check("panicked" not in stopped.err, "no panic")
    equal(run(database, "migrate", "status").code, 0, "no migration is left to run")
    twice = "SELECT count(*) - count(DISTINCT version) FROM seaql_migrations"
    equal(database.number(twice), 0, "migrations that ran twice")
    verify(database)
print(f"PostgreSQL  {ROUNDS} times {INSTANCES} servers at once on an empty database: all came up, in {slowest:.1f} s at most")

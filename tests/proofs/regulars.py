"""What the proofs share: databases, the command line, servers, and a client that counts. Standard library only."""

import asyncio
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.parse

BINARY = os.environ["REGULARS"]
DIRECTORY = pathlib.Path(os.environ["PROOF_DIRECTORY"])
POSTGRES = os.environ["REGULARS_TEST_POSTGRES"]
CDNOW = pathlib.Path(__file__).parent.parent / "data" / "cdnow" / "CDNOW_master.txt.gz"
ENGINES = ("SQLite", "PostgreSQL")


def check(holds, what):
    """Says that something holds, or ends the proof."""
    print(("  ok    " if holds else "  WRONG ") + what, flush=True)
    if not holds:
        sys.exit(1)


def equal(found, expected, what):
    check(found == expected, f"{what}: {found}" + ("" if found == expected else f", expected {expected}"))


def psql(database, sql):
    """Runs SQL on the throwaway server and answers the first column of the first row."""
    url = urllib.parse.urlsplit(POSTGRES)
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", url.hostname, "-p", str(url.port)]
    command += ["-U", url.username, "-d", database, "-c", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Database:
    """A database of its own on one engine."""

    count = 0

    def __init__(self, engine, directory=None):
        Database.count += 1
        self.engine = engine
        self.name = f"proof_{Database.count}"
        if engine == "SQLite":
            self.file = (directory or DIRECTORY) / f"{self.name}.db"
            self.url = f"sqlite://{self.file}?mode=rwc"
        else:
            psql("postgres", f'CREATE DATABASE "{self.name}"')
            self.url = f"{POSTGRES}/{self.name}"

    def number(self, sql):
        """One number; 0 while the table is not there yet or the file is busy."""
        try:
            if self.engine == "PostgreSQL":
                return int(psql(self.name, sql))
            import sqlite3

            with contextlib.closing(sqlite3.connect(self.file, timeout=5)) as connection:
                return connection.execute(sql).fetchone()[0]
        except Exception:
            return 0


def environment(database):
    variables = dict(os.environ, DATABASE_URL=database.url, REGULARS_LOG_FORMAT="json")
    # The proof decides how its servers are set, not the shell that it was started from.
    variables.pop("REGULARS_CONFIG", None)
    return variables


class Run:
    """A command that has ended: its exit code, output, seconds and largest memory in bytes."""

    def __init__(self, code, out, err, seconds, memory):
        self.code, self.out, self.err, self.seconds, self.memory = code, out, err, seconds, memory

    def value(self, name):
        """The value after `name:` or in the row that begins with `name` of the output."""
        found = re.search(rf"^{re.escape(name)}:?\s+(\S+)\s*$", self.out, re.MULTILINE)
        return found.group(1).replace(",", "") if found else None


def start(database, *arguments, stdin=None, limits=None):
    out, err = (open(DIRECTORY / f"{database.name}.{kind}", "w+b") for kind in ("out", "err"))
    process = subprocess.Popen(
        [BINARY, *map(str, arguments)],
        stdin=stdin or subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        env=environment(database),
        cwd=DIRECTORY,
        preexec_fn=limits,
        restore_signals=limits is None,
    )
    process.outputs, process.begun = (out, err), time.monotonic()
    return process


def end(process):
    """Waits for a command and takes what it used from the kernel."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    texts = []
    for file in process.outputs:
        file.seek(0)
        texts.append(file.read().decode("utf-8", "replace"))
        file.close()
    seconds = time.monotonic() - process.begun
    return Run(process.returncode, *texts, seconds, usage.ru_maxrss * 1024)


def run(database, *arguments, **options):
    return end(start(database, *arguments, **options))


def verify(database):
    """The totals of a ledger that has to be clean."""
    verified = run(database, "ledger", "verify")
    check(verified.code == 0, "the ledger is clean")
    if verified.code != 0:
        print(verified.out, verified.err)
    return verified


def api_key(database, *scopes):
    options = [option for scope in scopes for option in ("--scope", scope)]
    made = run(database, "api-key", "create", "--name", "proof", *options)
    if made.code != 0:
        print(made.err)
    check(made.code == 0, "an API key was made")
    return made.out.strip().splitlines()[-1]


class Server:
    """A server on a free port."""

    def __init__(self, database):
        self.process = start(database, "serve", "--listen", "127.0.0.1:0")
        self.port = None
        deadline = time.monotonic() + 30
        while self.port is None and time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", self.log())
            self.port = int(found.group(1)) if found else None
            time.sleep(0.02)
        if self.port is None:
            print(self.log())
            check(False, "the server listens")

    def log(self):
        return pathlib.Path(self.process.outputs[1].name).read_text("utf-8", "replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return end(self.process)

    def stop(self):
        self.process.terminate()
        return end(self.process)


async def request(port, key, query, variables, timeout=60):
    """One operation on a connection of its own: the HTTP status and the body, which is text if it is not JSON."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    return await raw_request(port, key, body, timeout)


async def raw_request(port, key, body, timeout=60):
    async def send():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = (
                f"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n"
                f"content-type: application/json\r\naccept: application/json\r\n"
                f"content-length: {len(body)}\r\n" + (f"authorization: Bearer {key}\r\n" if key else "") + "\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()

    answer = await asyncio.wait_for(send(), timeout)
    head, _, content = answer.partition(b"\r\n\r\n")
    if not head:
        raise ConnectionError("closed without an answer")
    if b"transfer-encoding: chunked" in head.lower():
        content = unchunked(content)
    status = int(head.split(b" ", 2)[1])
    try:
        return status, json.loads(content)
    except ValueError:
        return status, content.decode("utf-8", "replace")


def unchunked(content):
    parts = []
    while True:
        size, _, rest = content.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return b"".join(parts)
        parts.append(rest[:length])
        content = rest[length + 2 :]


RECORD = """mutation ($input: CustomerRecordInput!) {
  customerRecord(input: $input) { customer { id } userErrors { code message } } }"""
EARN = """mutation ($input: PointsEarnInput!) {
  pointsEarn(input: $input) { points replayed account { available } userErrors { code message } } }"""
REDEEM = """mutation ($input: PointsRedeemInput!) {
  pointsRedeem(input: $input) { points replayed account { available } userErrors { code message } } }"""


async def customer(port, key, external_id):
    """Records a customer and answers its id."""
    given = {"externalId": external_id, "name": "Joan", "idempotencyKey": f"customer-{external_id}"}
    status, body = await request(port, key, RECORD, {"input": given})
    try:
        return body["data"]["customerRecord"]["customer"]["id"]
    except (KeyError, TypeError):
        check(False, f"customer {external_id} was recorded: {status} {body}")


async def earn(port, key, customer_id, points, idempotency_key):
    given = {"customerId": customer_id, "points": points, "reason": "proof", "idempotencyKey": idempotency_key}
    return await request(port, key, EARN, {"input": given})


async def redeem(port, key, customer_id, points, idempotency_key):
    given = {"customerId": customer_id, "points": points, "reference": "proof", "idempotencyKey": idempotency_key}
    return await request(port, key, REDEEM, {"input": given})


def outcome(answer, field):
    """`done`, `replayed`, the code of a refusal, or what went wrong."""
    status, body = answer
    if status >= 500 or not isinstance(body, dict):
        return f"HTTP {status}"
    if body.get("errors"):
        return "error " + str(body["errors"][0].get("extensions", {}).get("code"))
    payload = body["data"][field]
    if payload["userErrors"]:
        return payload["userErrors"][0]["code"]
    return "replayed" if payload["replayed"] else "done"

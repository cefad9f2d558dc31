"""What the proofs share: databases, the command line, servers, and a client that counts. Standard library only."""

import asyncio
import atexit
import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse

BINARY = os.environ["REGULARS_BIN"]
DIRECTORY = pathlib.Path(os.environ["PROOF_DIRECTORY"])
POSTGRES = os.environ["REGULARS_TEST_POSTGRES"]
CDNOW = pathlib.Path(__file__).parent.parent / "data" / "cdnow" / "CDNOW_master.txt.gz"
ENGINES = ("SQLite", "PostgreSQL")
# A proof sends from one address what a shop gets from thousands: limits count as ever, and nothing reaches them.
UNLIMITED = {
    f"REGULARS_MAX_{what}": "1000000000"
    for what in (
        "REQUESTS_PER_ADDRESS",
        "REQUESTS_PER_ACCOUNT",
        "REQUESTS_PER_API_KEY",
        "CREDENTIALS_PER_ADDRESS",
        "REFRESHES_PER_ADDRESS",
        "CREDENTIALS_PER_MAILBOX",
    )
}
# What an import may take, whatever it reads.
MEMORY = 150_000_000


def check(holds, what):
    """Says that something holds, or ends the proof."""
    print(("  ok    " if holds else "  WRONG ") + what, flush=True)
    if not holds:
        sys.exit(1)


def equal(found, expected, what):
    check(found == expected, f"{what}: {found}" + ("" if found == expected else f", expected {expected}"))


def psql(database, sql, errors=None):
    """Runs SQL on the throwaway server and answers its rows, columns parted by a bar; its words about errors go to
    `errors`, if that is given."""
    url = urllib.parse.urlsplit(POSTGRES)
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", url.hostname, "-p", str(url.port)]
    command += ["-U", url.username, "-d", database, "-c", sql]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=errors, text=True).stdout.strip()


class Database:
    """A database of its own on one engine."""

    count = 0

    def __init__(self, engine, directory=None, options=""):
        Database.count += 1
        self.engine = engine
        self.name = f"proof_{Database.count}"
        if engine == "SQLite":
            self.file = (directory or DIRECTORY) / f"{self.name}.db"
            self.url = f"sqlite://{self.file}?mode=rwc"
        else:
            psql("postgres", f'CREATE DATABASE "{self.name}" {options}')
            self.url = f"{POSTGRES}/{self.name}"

    def drop(self):
        """Removes it from its server: one that recovers syncs the files of all databases there are."""
        if self.engine == "PostgreSQL":
            psql("postgres", f'DROP DATABASE "{self.name}" WITH (FORCE)')

    def rows(self, sql):
        """The rows of a query, all values as text."""
        if self.engine == "PostgreSQL":
            return [line.split("|") for line in psql(self.name, sql).splitlines()]
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as connection:
            return [[str(value) for value in row] for row in connection.execute(sql).fetchall()]

    def number(self, sql):
        """The one number that a query answers."""
        return int(self.rows(sql)[0][0])

    def progress(self, sql):
        """The same while somebody else is at work: 0 as long as the table is not there or the file is busy."""
        try:
            return self.number(sql)
        except (subprocess.CalledProcessError, sqlite3.Error):
            return 0


def environment(database):
    # The proof decides how its servers are set, not the shell that it was started from.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("REGULARS")}
    return dict(variables, **UNLIMITED, DATABASE_URL=database.url, REGULARS_LOG_FORMAT="json")


class Run:
    """A command that has ended: its exit code, output, seconds and largest memory in bytes."""

    def __init__(self, code, out, err, seconds, memory):
        self.code, self.out, self.err, self.seconds, self.memory = code, out, err, seconds, memory

    def value(self, name):
        """The value after `name:` or in the row that begins with `name` of the output."""
        found = re.search(rf"^{re.escape(name)}:?\s+(\S+)\s*$", self.out, re.MULTILINE)
        return found.group(1).replace(",", "") if found else None


running = []


@atexit.register
def kill_what_is_left():
    """A proof that ends early leaves no server behind."""
    for process in running:
        process.kill()


def start(database, *arguments, stdin=None, limits=None, variables=None):
    """Starts a command; `variables` are set in its environment beside those of every command."""
    start.count += 1
    out, err = (open(DIRECTORY / f"{database.name}.{start.count}.{kind}", "w+b") for kind in ("out", "err"))
    process = subprocess.Popen(
        [BINARY, *map(str, arguments)],
        stdin=stdin or subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        env=environment(database) | (variables or {}),
        cwd=DIRECTORY,
        preexec_fn=limits,
        restore_signals=limits is None,
    )
    process.outputs, process.begun = (out, err), time.monotonic()
    running.append(process)
    return process


start.count = 0


def end(process):
    """Waits for a command and takes what it used from the kernel."""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - process.begun
    process.returncode = os.waitstatus_to_exitcode(status)
    running.remove(process)
    texts = []
    for file in process.outputs:
        file.seek(0)
        texts.append(file.read().decode("utf-8", "replace"))
        file.close()
        os.unlink(file.name)
    return Run(process.returncode, *texts, seconds, usage.ru_maxrss * 1024)


def run(database, *arguments, **options):
    return end(start(database, *arguments, **options))


class Samples:
    """The resident memory of a process in bytes, ten times a second from its start to its end."""

    def __init__(self, process):
        self.process, self.bytes = process, []
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    def sample(self):
        try:
            while True:
                status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
                self.bytes.append(int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE).group(1)) * 1024)
                time.sleep(0.1)
        except (OSError, AttributeError):
            # It has ended.
            return

    def peaks(self, parts):
        """The largest sample of each of so many equal parts of the time."""
        self.thread.join()
        count = len(self.bytes)
        return [max(self.bytes[count * n // parts : max(count * (n + 1) // parts, count * n // parts + 1)]) for n in range(parts)]


def verify(database):
    """The totals of a ledger that has to be clean."""
    verified = run(database, "ledger", "verify")
    check(verified.code == 0, "the ledger is clean")
    if verified.code != 0:
        print(verified.out, verified.err)
    return verified


def whole_orders(database, orders):
    """So many orders are there, and nothing of any is missing: lines, points and events. For programmes of one point
    for each whole unit, in currencies with two decimals."""
    lots = "FROM order_lines AS l LEFT JOIN points_lots AS p ON p.order_line_id = l.id"
    for what, sql, expected in (
        ("orders", "SELECT count(*) FROM orders", orders),
        ("orders with lines", "SELECT count(DISTINCT order_id) FROM order_lines", orders),
        ("lines without their points", f"SELECT count(*) {lots} WHERE l.line_total / 100 <> coalesce(p.amount, 0)", 0),
        ("lines that earned twice", "SELECT count(*) - count(DISTINCT order_line_id) FROM points_lots", 0),
        ("orders with their event", "SELECT count(DISTINCT aggregate_id) FROM outbox WHERE topic = 'order.recorded'", orders),
        ("events of orders", "SELECT count(*) FROM outbox WHERE topic = 'order.recorded'", orders),
    ):
        equal(database.number(sql), expected, what)


def api_key(database, *scopes):
    options = [option for scope in scopes for option in ("--scope", scope)]
    made = run(database, "api-key", "create", "--name", "proof", *options)
    if made.code != 0:
        print(made.err)
    check(made.code == 0, "an API key was made")
    return made.out.strip().splitlines()[-1]


@contextlib.contextmanager
def small_disk(megabytes):
    """A directory on a disk of its own, and a function that makes room; None where this is not allowed."""
    directory = DIRECTORY / "small"
    directory.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        yield None
        return
    try:
        yield directory, lambda: subprocess.run(["mount", "-o", "remount,size=2g", str(directory)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=False)


class Server:
    """A server on a free port, with settings of its own if it is given any."""

    def __init__(self, database, *options, variables=None, limits=None):
        self.process = start(database, "serve", "--listen", "127.0.0.1:0", *options, limits=limits, variables=variables)
        self.port = None

    def up(self):
        """Waits until it listens."""
        deadline = time.monotonic() + 60
        while self.port is None and time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", self.log())
            self.port = int(found.group(1)) if found else None
            time.sleep(0.02)
        if self.port is None:
            print(self.log())
            check(False, "the server listens")
        self.seconds = time.monotonic() - self.process.begun
        return self

    def log(self):
        return pathlib.Path(self.process.outputs[1].name).read_text("utf-8", "replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return end(self.process)

    def stop(self):
        self.process.terminate()
        return end(self.process)


class MailServer:
    """Takes mails over SMTP, each after so many seconds, and counts it by its Message-ID and by its recipient."""

    def __init__(self, seconds=0):
        self.arrived, self.recipients, self.seconds = collections.Counter(), collections.Counter(), seconds

    async def begin(self):
        self.server = await asyncio.start_server(self.converse, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def converse(self, reader, writer):
        try:
            answer, recipients = b"220 proof", []
            while True:
                writer.write(answer + b"\r\n")
                await writer.drain()
                command, answer = await reader.readuntil(b"\r\n"), b"250 fine"
                if command.startswith(b"RCPT TO:"):
                    recipients.append(command.partition(b"<")[2].partition(b">")[0].decode())
                if command == b"DATA\r\n":
                    writer.write(b"354 go on\r\n")
                    mail = await reader.readuntil(b"\r\n.\r\n")
                    found = re.search(rb"^Message-ID: <([^@\s]+)@", mail, re.MULTILINE)
                    await asyncio.sleep(self.seconds)
                    self.arrived[found.group(1).decode().replace("-", "")] += 1
                    self.recipients.update(recipients)
                    recipients = []
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The worker was killed, or the proof is over.
            pass
        finally:
            writer.close()


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


POINTS = "points hold { id } account { available } "
DOCUMENTS = {
    field: f"mutation ($input: {kind}!) {{ {field}(input: $input) {{ {chosen} userErrors {{ code message }} }} }}"
    for field, kind, chosen in (
        ("customerRecord", "CustomerRecordInput", "customer { id } replayed"),
        ("customerRegister", "CustomerRegisterInput", "status"),
        ("orderRecord", "OrderRecordInput", "order { id } replayed"),
        ("orderPay", "OrderPayInput", "order { id state } replayed"),
        ("orderReturn", "OrderReturnInput", "order { id state } replayed"),
        ("pointsEarn", "PointsEarnInput", POINTS + "replayed"),
        ("pointsHold", "PointsHoldInput", POINTS + "replayed"),
        ("pointsCapture", "PointsHoldEndInput", POINTS + "replayed"),
        ("pointsRedeem", "PointsRedeemInput", POINTS + "replayed"),
        ("pointsAdjust", "PointsAdjustInput", POINTS + "replayed"),
    )
}


async def mutate(port, key, field, given, idempotency_key=None):
    """Sends one mutation; answers the HTTP status and the body."""
    if idempotency_key is not None:
        given = dict(given, idempotencyKey=idempotency_key)
    return await request(port, key, DOCUMENTS[field], {"input": given})


SIGN_IN = "mutation ($input: StaffSignInInput!) { staffSignIn(input: $input) { tokens { accessToken } } }"


def owner(database):
    """Makes the shop's owner; answers what signs the owner in."""
    made = run(database, "staff", "create", "--email", "owner@example.org", "--role", "owner")
    password = re.search(r"password:?\s+(\S+)", made.out + made.err)
    if not password:
        check(False, f"the owner was made: {made.out} {made.err}")
    return {"email": "owner@example.org", "password": password.group(1)}


async def signed_in(port, credentials):
    """The access token of a member of staff."""
    _, body = await request(port, None, SIGN_IN, {"input": credentials})
    return body["data"]["staffSignIn"]["tokens"]["accessToken"]


async def customer(port, key, external_id):
    """Records a customer and answers its id."""
    given = {"externalId": external_id, "name": "Joan"}
    status, body = await mutate(port, key, "customerRecord", given, f"customer-{external_id}")
    try:
        return body["data"]["customerRecord"]["customer"]["id"]
    except (KeyError, TypeError):
        check(False, f"customer {external_id} was recorded: {status} {body}")


async def earn(port, key, customer_id, points, idempotency_key):
    given = {"customerId": customer_id, "points": points, "reason": idempotency_key}
    return await mutate(port, key, "pointsEarn", given, idempotency_key)


async def redeem(port, key, customer_id, points, idempotency_key):
    given = {"customerId": customer_id, "points": points, "reference": idempotency_key}
    return await mutate(port, key, "pointsRedeem", given, idempotency_key)


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
    return "replayed" if payload.get("replayed") else "done"


def effect(answer, field):
    """What a mutation did: ids and amounts, which a replay answers again."""
    payload = answer[1]["data"][field]
    return {name: (payload.get(name) or {}).get("id") for name in ("hold", "order", "customer")} | {"points": payload.get("points")}

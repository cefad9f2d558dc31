"""Malformed files, endless lines, a full disk, and requests that are none."""

import asyncio
import contextlib
import gzip
import os
import resource
import subprocess
import threading

from regulars import (
    CDNOW,
    DIRECTORY,
    ENGINES,
    MEMORY,
    Database,
    Server,
    check,
    end,
    equal,
    psql,
    raw_request,
    run,
    small_disk,
    start,
    verify,
    whole_orders,
)

HEADER = b"order_id,placed_at,email,customer_id,currency,sku,name,category,quantity,line_total,tax_rate,shipping,status\n"
GOOD = b"1001,2026-01-02T10:00:00Z,joan@example.org,,EUR,mug,Mug,kitchen,1,12.50,0.21,4.95,PAID\n"


def row(**changes):
    """The good row with other values."""
    names = HEADER.decode().strip().split(",")
    values = dict(zip(names, GOOD.decode().strip().split(",")), order_id="2002")
    values.update(changes)
    return ",".join(values[name] for name in names).encode() + b"\n"


# What it is, the bytes, and what is said of the file, which is refused as a whole.
REFUSED = [
    ("an empty file", b"", "there is no header: the file is empty"),
    ("random bytes", bytes(range(256)) * 400, "unknown column"),
    ("another header", b"a,b,c\n1,2,3\n", 'unknown column: "a"'),
    ("a missing column", HEADER.replace(b",status", b"") + GOOD, "lacks these columns: status"),
    ("nobody to buy", HEADER.replace(b"email,customer_id,", b""), "lacks these columns: email or customer_id"),
    ("an unknown column", HEADER.replace(b"status", b"colour"), 'unknown column: "colour"'),
    ("a column twice", HEADER.replace(b"name", b"sku"), "a column twice: sku"),
    ("a header that is not UTF-8", b"\xff" + HEADER, "the header is not UTF-8"),
]

# What it is, the rows behind the header, and what is said of the one that is bad, with its number.
BAD = [
    ("too few columns", b"1,2,3\n", "row 1 (line 2): has 3 fields, the header has 13"),
    ("too many columns", GOOD.strip() + b",x" * 1000 + b"\n", "row 1 (line 2): has 1013 fields"),
    ("text that is not UTF-8", row(name="mug").replace(b"mug", b"\xff\xfe"), "row 1 (line 2): is not UTF-8"),
    ("a NUL", row(name="m\0ug"), "row 1 (line 2): name has control characters"),
    ("an open quote", row(name='"mug'), "row 1 (line 2): has a quoted field that does not end on its line"),
    ("another currency in one order", row() + row(currency="USD"), "row 2 (line 3): currency is not what"),
    ("a fraction of a yen", row(currency="JPY", shipping="0", line_total="12.5"), "line_total has too many decimals"),
] + [
    (f"{column} {value[:24]!r}", row(**{column: value}), f"row 1 (line 2): {reason}")
    for column, value, reason in (
        ("line_total", "9" * 60, "line_total is too large"),
        ("line_total", "92233720368547758.08", "line_total is too large"),
        ("line_total", "-1.00", "line_total is negative"),
        ("line_total", "1.005", "line_total has too many decimals"),
        ("line_total", "", "line_total is not a plain decimal number"),
        ("line_total", "NaN", "line_total is not a plain decimal number"),
        ("line_total", "inf", "line_total is not a plain decimal number"),
        ("line_total", "1e9", "line_total is not a plain decimal number"),
        ("line_total", "0x10", "line_total is not a plain decimal number"),
        ("shipping", "-0.01", "shipping is negative"),
        ("shipping", "NaN", "shipping is not a plain decimal number"),
        ("quantity", "0", "quantity must be 1 to 1,000,000"),
        ("quantity", "-1", "quantity must be 1 to 1,000,000"),
        ("quantity", "1.5", "quantity is not a whole number"),
        ("quantity", "1000001", "quantity must be 1 to 1,000,000"),
        ("quantity", "9" * 20, "quantity is not a whole number"),
        ("currency", "XXQ", "currency is not an ISO 4217 currency"),
        ("currency", "eur", "currency is not an ISO 4217 currency"),
        ("currency", "", "currency is not an ISO 4217 currency"),
        ("placed_at", "2026-02-30T10:00:00Z", "placed_at is not a date or time"),
        ("placed_at", "+292278-01-01T00:00:00Z", "placed_at is not a date or time"),
        ("placed_at", "1969-12-31T23:59:59Z", ""),
        ("placed_at", "2999-01-01T00:00:00Z", ""),
        ("status", "LOST", "status is none of placed, paid"),
        ("status", "", "status is none of placed, paid"),
        ("tax_rate", "7", "tax_rate must be 0 to 1"),
        ("tax_rate", "-0.1", "tax_rate is negative"),
        ("email", "", "email and customer_id are both empty"),
        ("email", "joan", "email is not an e-mail address"),
        ("order_id", "", "order_id is empty"),
        ("order_id", "x" * 300, "order_id is not 1 to 255 visible characters"),
        ("sku", "", "sku is empty"),
    )
]

# What it is, the bytes, how many orders there are in it, and how many points they earn.
FINE = [
    ("a header only", HEADER, 0, 0),
    ("one order", HEADER + GOOD, 1, 12),
    ("Windows lines with a byte order mark", b"\xef\xbb\xbf" + (HEADER + GOOD).replace(b"\n", b"\r\n"), 1, 12),
    ("a formula for a spreadsheet", HEADER + row(name="=1+1"), 1, 12),
    ("a line for nothing", HEADER + row(line_total="0"), 1, 0),
    ("zeros behind the cents", HEADER + row(line_total="12.500"), 1, 12),
]


def sound(ran, what):
    """What holds however bad the input is; says so only if it does not."""
    for holds, why in (
        ("panicked" not in ran.err, "a panic"),
        (ran.code in (0, 1, 2), f"exit code {ran.code}"),
        (ran.memory < MEMORY, f"largest memory {ran.memory / 1e6:.0f} MB"),
    ):
        if not holds:
            print(ran.err[-4000:])
            check(False, f"{what}: {why}")


def refused(engine):
    """Nothing of a file is imported if its header is wrong, and with --strict if any row is bad."""
    database = Database(engine)
    file = DIRECTORY / "bad.csv"
    for what, content, reason in REFUSED:
        file.write_bytes(content)
        for options in ((), ("--strict",)):
            ran = run(database, "import", "orders", file, *options)
            sound(ran, what)
            check(ran.code == 1 and reason in ran.err, f"{' '.join((what, *options))}: {reason}")
    for what, content, reason in BAD:
        # The bad row comes first: whatever is written before it is known would show.
        file.write_bytes(HEADER + content + GOOD)
        strict = run(database, "import", "orders", file, "--strict")
        sound(strict, what)
        check(strict.code == 1 and reason in strict.err, f"{what} --strict: {reason}")
    last = HEADER + b"".join(row(order_id=str(n)) for n in range(2_000)) + row(quantity="0")
    file.write_bytes(last)
    strict = run(database, "import", "orders", file, "--strict")
    check(strict.code == 1 and "row 2001 (line 2002)" in strict.err, "the last of 2,001 rows bad --strict: told")
    stdin = run(database, "import", "orders", "-", "--strict")
    check(stdin.code == 2 and "--strict reads the file twice" in stdin.err, "--strict refuses standard input: exit code 2")
    missing = run(database, "import", "orders", DIRECTORY / "missing.csv")
    equal(missing.code, 1, "a file that is not there: exit code")
    for table in ("orders", "order_lines", "customers", "points_accounts", "points_entries", "outbox"):
        equal(database.number(f"SELECT count(*) FROM {table}"), 0, f"after all this, rows of {table}")


def left_out(engine):
    """Without --strict a bad row is told, and the others are imported."""
    file = DIRECTORY / "bad.csv"
    database, good = Database(engine), 0
    for what, content, reason in BAD:
        good += 1
        file.write_bytes(HEADER + content + row(order_id=f"good-{good}"))
        ran = run(database, "import", "orders", file)
        sound(ran, what)
        check(ran.code == 1 and reason in ran.err, f"{what}: {reason}")
        equal(ran.value("bad rows"), str(content.count(b"\n")), f"{what}: bad rows")
        equal(ran.value("orders recorded"), "1", f"{what}: orders recorded")
    file.write_bytes(HEADER + row(order_id="a") + row(order_id="b") + row(order_id="a", sku="plate"))
    ran = run(database, "import", "orders", file)
    check("row 3 (line 4): order a came before" in ran.err, "an order that comes again further down is told")
    equal((ran.code, ran.value("bad rows"), ran.value("orders recorded")), (1, "1", "2"), "exit code, bad rows, orders")
    file.write_bytes(HEADER + row(order_id="a", line_total="99.00"))
    ran = run(database, "import", "orders", file)
    equal((ran.code, ran.value("bad rows")), (1, "1"), "another body under the id of an order: exit code, bad rows")
    whole_orders(database, good + 2)
    equal(verify(database).value("available"), str(12 * (good + 2)), "points available")
    for what, content, orders, points in FINE:
        database = Database(engine)
        file.write_bytes(content)
        ran = run(database, "import", "orders", file, "--strict")
        sound(ran, what)
        equal((ran.code, ran.value("bad rows"), ran.value("orders recorded")), (0, "0", str(orders)), f"{what}: imported")
        equal(verify(database).value("available"), str(points), f"{what}: points")


def endless_line(engine, what, before, after, reason, orders):
    """A gigabyte without an end of line, on standard input."""
    database = Database(engine)
    read, write = os.pipe()
    process = start(database, "import", "orders", "-", stdin=read)
    os.close(read)

    def feed():
        block = b"x" * (1 << 20)
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb", 0) as pipe:
            pipe.write(before)
            for _ in range(1024):
                pipe.write(block)
            pipe.write(b"\n" + after)

    feeder = threading.Thread(target=feed)
    feeder.start()
    ran = end(process)
    feeder.join()
    sound(ran, what)
    check(ran.code == 1 and reason in ran.err, f"{what}: {reason}")
    whole_orders(database, orders)
    verify(database)
    results.append(f"{engine:<11} {what}: {ran.seconds:.1f} s, largest memory {ran.memory / 1e6:.0f} MB")


def full_disk(engine, database, limits=None, room=lambda: None):
    """An import that fills the disk stops, with nothing half done; with room again it completes."""
    file = DIRECTORY / "CDNOW_master.txt"
    file.write_bytes(gzip.decompress(CDNOW.read_bytes()))
    full = run(database, "import", "orders", file, "--format", "cdnow", limits=limits)
    sound(full, "a full disk")
    equal(full.code, 1, "a full disk: exit code")
    said = full.err.strip().splitlines()[-1]
    print("  it said:", said[:200])
    check("the same command goes on from there" in said, "it says how to go on")
    room()
    kept = database.number("SELECT count(*) FROM orders")
    check(0 < kept < 69_659, f"orders kept: {kept}")
    whole_orders(database, kept)
    verify(database)
    again = run(database, "import", "orders", file, "--format", "cdnow")
    equal(again.code, 0, "with room again: exit code")
    equal(again.value("points earned ever"), "2453159", "with room again: points earned ever")
    equal(again.value("money USD"), "2500315.63", "with room again: dollars")
    whole_orders(database, 69_659)
    equal(verify(database).value("accounts"), "23570", "with room again: accounts")
    results.append(f"{engine:<11} full disk after {kept} orders; with room again all 69659, nothing half done")


def full_disks():
    with small_disk(24) as small:
        if small:
            directory, room = small
            print("SQLite: a full disk, a tmpfs of 24 MB")
            full_disk("SQLite", Database("SQLite", directory), room=room)
        else:
            print("SQLite: a full disk, a limit of 12 MB on every file (a small disk needs root)")
            size = 12 * 1024 * 1024
            limits = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            full_disk("SQLite", Database("SQLite"), limits)
    with small_disk(32) as small:
        if not small:
            results.append("PostgreSQL  full disk: not tried, a small disk for the server needs root")
            return
        directory, room = small
        print("PostgreSQL: a full disk, a tablespace on a tmpfs of 32 MB")
        owner = os.stat(psql("postgres", "SHOW data_directory"))
        os.chown(directory, owner.st_uid, owner.st_gid)
        # The server's user has to get there.
        DIRECTORY.chmod(0o711)
        psql("postgres", f"CREATE TABLESPACE small LOCATION '{directory}'")
        database = Database("PostgreSQL", options="TABLESPACE small")
        full_disk("PostgreSQL", database, room=room)
        psql("postgres", f'DROP DATABASE "{database.name}" WITH (FORCE)')
        psql("postgres", "DROP TABLESPACE small")


async def requests(engine):
    database = Database(engine)
    server = Server(database).up()
    bodies = [
        ("nothing", b""),
        ("no JSON", b"\xff\x00{"),
        ("a list", b"[]"),
        ("a number", b"1"),
        ("a megabyte", b'{"query":"' + b"x" * (1 << 20) + b'"}'),
        ("brackets ten thousand deep", b"[" * 10_000),
        ("selections ten thousand deep", b'{"query":"' + b"{a" * 10_000 + b'"}'),
        ("variables that are a list", b'{"query":"{ shop { name } }","variables":[1]}'),
        ("a lone surrogate", b'{"query":"{ shop { name(a: \\"\\ud800\\") } }"}'),
    ]
    for what, body in bodies:
        status, _ = await raw_request(server.port, None, body)
        check(400 <= status < 500 or status == 200, f"a request of {what}: HTTP {status}")
    status, body = await raw_request(server.port, None, b'{"query":"{ shop { name } }"}')
    equal((status, body.get("errors")), (200, None), "the server still answers")
    stopped = server.stop()
    check("panicked" not in stopped.err, "no panic")
    equal(stopped.code, 0, "exit code of the stopped server")


LONG = "is longer than 1 MiB"
results = []
for engine in ENGINES:
    print(f"{engine}: files that are refused")
    refused(engine)
    print(f"{engine}: rows that are left out")
    left_out(engine)
    print(f"{engine}: a gigabyte on standard input")
    endless_line(engine, "a row of 1 GB", HEADER + GOOD, row(order_id="2"), f"row 2 (line 3): {LONG}", 2)
    endless_line(engine, "a header of 1 GB", b"", GOOD, "the header is too long", 0)
    print(f"{engine}: requests")
    asyncio.run(requests(engine))
    results.append(f"{engine:<11} {len(REFUSED) + len(BAD) + len(FINE)} files and 9 requests: all answered as documented")
full_disks()
print("\n".join(results))

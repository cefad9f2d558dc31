"""Malformed files, endless lines, a full disk, and requests that are none."""

import asyncio
import gzip
import os
import resource
import subprocess
import threading

from regulars import CDNOW, DIRECTORY, ENGINES, Database, Server, check, end, equal, raw_request, run, start, verify

MEMORY = 256 * 1024 * 1024
HEADER = b"order_id,placed_at,email,customer_id,currency,sku,name,category,quantity,line_total,tax_rate,shipping,status\n"
GOOD = b"1001,2026-01-02T10:00:00Z,joan@example.org,,EUR,mug,Mug,kitchen,1,12.50,0.21,4.95,PAID\n"


def row(**changes):
    """The good row with other values."""
    names = HEADER.decode().strip().split(",")
    values = dict(zip(names, GOOD.decode().strip().split(",")), order_id="2002")
    values.update(changes)
    return ",".join(values[name] for name in names).encode() + b"\n"


# Name, bytes, and how many rows are bad; None where the file as a whole is refused.
FILES = [
    ("empty file", b"", None),
    ("random bytes", bytes(range(256)) * 400, None),
    ("an unknown header", b"a,b,c\n1,2,3\n", None),
    ("header only", HEADER, 0),
    ("one good row", HEADER + GOOD, 0),
    ("a good row in Windows lines with a byte order mark", b"\xef\xbb\xbf" + (HEADER + GOOD).replace(b"\n", b"\r\n"), 0),
    ("too few columns", HEADER + b"1,2,3\n" + GOOD, 1),
    ("too many columns", HEADER + GOOD.strip() + b",x" * 1000 + b"\n", 1),
    ("text that is not UTF-8", HEADER + row(name="mug").replace(b"mug", b"\xff\xfe"), 1),
    ("a NUL", HEADER + row(name="m\0ug"), 1),
    ("an amount beyond every bound", HEADER + row(line_total="9" * 60), 1),
    ("an amount below zero", HEADER + row(line_total="-1.00"), 1),
    ("an amount with an exponent", HEADER + row(line_total="1e9"), 1),
    ("three decimals of euros", HEADER + row(line_total="1.005"), 1),
    ("no pieces", HEADER + row(quantity="0"), 1),
    ("more pieces than there are", HEADER + row(quantity="99999999999999999999"), 1),
    ("an unknown currency", HEADER + row(currency="XXQ"), 1),
    ("a day that is none", HEADER + row(placed_at="2026-02-30T10:00:00Z"), 1),
    ("the year 292278", HEADER + row(placed_at="+292278-01-01T00:00:00Z"), 1),
    ("an unknown status", HEADER + row(status="LOST"), 1),
    ("a tax rate above all", HEADER + row(tax_rate="7"), 1),
    ("nobody who bought", HEADER + row(email="", customer_id=""), 1),
    ("an address that is none", HEADER + row(email="joan"), 1),
    ("a formula for a spreadsheet", HEADER + row(name="=1+1"), 0),
]


def sound(ran, what):
    check("panicked" not in ran.err, f"{what}: no panic")
    check(ran.code in (0, 1, 2), f"{what}: exit code {ran.code}")
    check(ran.memory < MEMORY, f"{what}: largest memory {ran.memory / 1e6:.0f} MB")


def files(engine):
    file = DIRECTORY / "bad.csv"
    for what, content, bad in FILES:
        database = Database(engine)
        file.write_bytes(content)
        strict = run(database, "import", "orders", file, "--strict")
        sound(strict, f"{what}, strict")
        if bad != 0:
            equal(strict.code, 1, f"{what}, strict: exit code")
            equal(database.number("SELECT count(*) FROM orders"), 0, f"{what}, strict: orders")
        lenient = run(database, "import", "orders", file)
        sound(lenient, what)
        equal(lenient.code, 1 if bad != 0 else 0, f"{what}: exit code")
        if bad is not None:
            equal(lenient.value("bad rows"), str(bad), f"{what}: bad rows")
        verify(database)
    missing = run(Database(engine), "import", "orders", DIRECTORY / "missing.csv")
    equal(missing.code, 1, "a file that is not there: exit code")


def endless_line(engine):
    """A gigabyte without an end of line, on standard input."""
    database = Database(engine)
    read, write = os.pipe()
    process = start(database, "import", "orders", "-", stdin=read)
    os.close(read)

    def feed():
        block = b"x" * (1 << 20)
        try:
            with os.fdopen(write, "wb", 0) as pipe:
                pipe.write(HEADER)
                for _ in range(1024):
                    pipe.write(block)
        except BrokenPipeError:
            pass

    feeder = threading.Thread(target=feed)
    feeder.start()
    ran = end(process)
    feeder.join()
    sound(ran, "a line of 1 GB")
    equal(ran.code, 1, "a line of 1 GB: exit code")
    verify(database)


def full_disk():
    small = DIRECTORY / "small"
    small.mkdir()
    file = DIRECTORY / "CDNOW_master.txt"
    file.write_bytes(gzip.decompress(CDNOW.read_bytes()))
    size = 12 * 1024 * 1024
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(small)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    print("  a tmpfs of 12 MB" if mounted else "  a limit of 12 MB on every file")
    limits = None if mounted else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        database = Database("SQLite", small)
        full = run(database, "import", "orders", file, "--format", "cdnow", limits=limits)
        sound(full, "a full disk")
        equal(full.code, 1, "a full disk: exit code")
        print("  it said:", full.err.strip().splitlines()[-1][:200])
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=1g", str(small)], check=True)
        kept = database.number("SELECT count(*) FROM orders")
        check(0 <= kept < 69_659, f"{kept} orders were kept")
        verify(database)
        again = run(database, "import", "orders", file, "--format", "cdnow")
        equal(again.code, 0, "with room again: exit code")
        equal(again.value("points earned ever"), "2453159", "with room again: points earned ever")
        equal(database.number("SELECT count(*) FROM orders"), 69_659, "with room again: orders")
        verify(database)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(small)], check=False)


async def requests(engine):
    database = Database(engine)
    server = Server(database)
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


for engine in ENGINES:
    print(f"{engine}: files")
    files(engine)
    endless_line(engine)
    print(f"{engine}: requests")
    asyncio.run(requests(engine))
print("SQLite: a full disk")
full_disk()

"""69,659 purchases of 23,570 customers, imported once, twice, and killed half-way."""

import gzip
import signal
import time

from regulars import CDNOW, DIRECTORY, ENGINES, Database, check, end, equal, run, start, verify

ORDERS, CUSTOMERS, POINTS, DOLLARS = 69_659, 23_570, 2_453_159, "2500315.63"
MEMORY = 512 * 1024 * 1024

file = DIRECTORY / "CDNOW_master.txt"
file.write_bytes(gzip.decompress(CDNOW.read_bytes()))
IMPORT = ("import", "orders", file, "--format", "cdnow")


def whole(database, imported, recorded, customers):
    """Everything is in the database, whoever put it there."""
    equal(imported.code, 0, "exit code")
    equal(imported.value("orders recorded"), str(recorded), "orders recorded")
    equal(imported.value("orders unchanged"), str(ORDERS - recorded), "orders unchanged")
    equal(imported.value("bad rows"), "0", "bad rows")
    equal(imported.value("customers new"), str(customers), "customers new")
    equal(imported.value("money USD"), DOLLARS, "dollars")
    equal(imported.value("points earned ever"), str(POINTS), "points earned ever")
    equal(database.number("SELECT count(*) FROM orders"), ORDERS, "orders in the database")
    equal(database.number("SELECT count(*) FROM customers"), CUSTOMERS, "customers in the database")
    ledger = verify(database)
    equal(ledger.value("accounts"), str(CUSTOMERS), "accounts in the ledger")
    equal(ledger.value("issued"), str(-POINTS), "points issued")
    equal(ledger.value("available"), str(POINTS), "points available")


def once_and_again(engine):
    print(f"{engine}: the whole file")
    database = Database(engine)
    imported = run(database, *IMPORT)
    if imported.code != 0:
        print(imported.err[-4000:])
    whole(database, imported, ORDERS, CUSTOMERS)
    check(imported.memory < MEMORY, f"largest memory {imported.memory / 1e6:.0f} MB is below {MEMORY / 1e6:.0f} MB")
    print(f"{engine}: again, when it is all there")
    again = run(database, *IMPORT)
    whole(database, again, 0, 0)
    return imported, again


def killed_half_way(engine):
    print(f"{engine}: killed half-way")
    database = Database(engine)
    process = start(database, *IMPORT)
    while process.poll() is None and database.number("SELECT count(*) FROM orders") < ORDERS // 2:
        time.sleep(0.02)
    check(process.returncode is None, "it was still running half-way")
    process.send_signal(signal.SIGKILL)
    equal(end(process).code, -signal.SIGKILL, "exit code")
    kept = database.number("SELECT count(*) FROM orders")
    customers = database.number("SELECT count(*) FROM customers")
    check(ORDERS // 2 <= kept < ORDERS, f"{kept} orders were kept")
    verify(database)
    print(f"{engine}: started again")
    whole(database, run(database, *IMPORT), ORDERS - kept, CUSTOMERS - customers)


lines = []
for engine in ENGINES:
    imported, again = once_and_again(engine)
    killed_half_way(engine)
    for what, ran in (("import", imported), ("again", again)):
        speed = ORDERS / ran.seconds
        lines.append(f"{engine:<11} {what:<7} {ran.seconds:6.1f} s {speed:8.0f} orders/s {ran.memory / 1e6:5.0f} MB")
print("\n".join(lines))

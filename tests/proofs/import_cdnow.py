"""69,659 purchases of 23,570 customers, imported once, twice, and killed half-way."""

import gzip
import re
import signal
import time

from regulars import (
    CDNOW,
    DIRECTORY,
    ENGINES,
    MEMORY,
    Database,
    Samples,
    check,
    end,
    equal,
    run,
    start,
    verify,
    whole_orders,
)

ORDERS, CUSTOMERS, POINTS, DOLLARS = 69_659, 23_570, 2_453_159, "2500315.63"

file = DIRECTORY / "CDNOW_master.txt"
file.write_bytes(gzip.decompress(CDNOW.read_bytes()))
IMPORT = ("import", "orders", file, "--format", "cdnow")


def whole(database, imported, recorded, customers):
    """Everything is in the database, whoever put it there."""
    if imported.code != 0:
        print(imported.err[-4000:])
    equal(imported.code, 0, "exit code")
    equal(imported.value("orders recorded"), str(recorded), "orders recorded")
    equal(imported.value("orders unchanged"), str(ORDERS - recorded), "orders unchanged")
    equal(imported.value("bad rows"), "0", "bad rows")
    equal(imported.value("customers new"), str(customers), "customers new")
    equal(imported.value("money USD"), DOLLARS, "dollars")
    equal(imported.value("points earned ever"), str(POINTS), "points earned ever")
    equal(database.number("SELECT count(*) FROM customers"), CUSTOMERS, "customers in the database")
    whole_orders(database, ORDERS)
    ledger = verify(database)
    equal(ledger.value("accounts"), str(CUSTOMERS), "accounts in the ledger")
    equal(ledger.value("issued"), str(-POINTS), "points issued")
    equal(ledger.value("available"), str(POINTS), "points available")


def flat(imported, samples):
    """The memory of an import does not grow with what it has read."""
    check(imported.memory < MEMORY, f"largest memory {imported.memory / 1e6:.0f} MB is below {MEMORY / 1e6:.0f} MB")
    if len(samples.bytes) < 20:
        # Caches are still filling: too short a run to tell growth from a start.
        return
    quarters = samples.peaks(4)
    shown = ", ".join(f"{peak / 1e6:.0f}" for peak in quarters)
    check(quarters[3] < quarters[1] * 1.25 + 8e6, f"memory in each quarter of the time, {len(samples.bytes)} samples: {shown} MB")


def import_all(database):
    process = start(database, *IMPORT)
    samples = Samples(process)
    return end(process), samples


def once_and_again(engine):
    print(f"{engine}: the whole file")
    database = Database(engine)
    imported, samples = import_all(database)
    whole(database, imported, ORDERS, CUSTOMERS)
    flat(imported, samples)
    print(f"{engine}: again, when it is all there")
    again, samples = import_all(database)
    whole(database, again, 0, 0)
    flat(again, samples)
    return imported, again


def killed_half_way(engine):
    print(f"{engine}: killed half-way")
    database = Database(engine)
    process = start(database, *IMPORT)
    while process.poll() is None and database.progress("SELECT count(*) FROM orders") < ORDERS // 2:
        time.sleep(0.02)
    check(process.returncode is None, "it was still running half-way")
    process.send_signal(signal.SIGKILL)
    equal(end(process).code, -signal.SIGKILL, "exit code")
    verify(database)
    kept = database.number("SELECT count(*) FROM orders")
    customers = database.number("SELECT count(*) FROM customers")
    check(ORDERS // 2 <= kept < ORDERS, f"orders kept: {kept}, {100 * kept / ORDERS:.0f} %")
    whole_orders(database, kept)
    print(f"{engine}: started again")
    again, samples = import_all(database)
    whole(database, again, ORDERS - kept, CUSTOMERS - customers)
    flat(again, samples)


def own_seconds(ran):
    """What the importer itself says it took."""
    found = re.search(r"^\d+ rows in (\d+\.\d+) s", ran.err, re.MULTILINE)
    return float(found.group(1)) if found else ran.seconds


lines = []
for engine in ENGINES:
    imported, again = once_and_again(engine)
    killed_half_way(engine)
    for what, ran in (("import", imported), ("again", again)):
        own = own_seconds(ran)
        lines.append(
            f"{engine:<11} {what:<7} command {ran.seconds:5.1f} s {ORDERS / ran.seconds:6.0f} orders/s, "
            f"importer {own:5.1f} s {ORDERS / own:6.0f} orders/s, {ran.memory / 1e6:4.0f} MB"
        )
print("\n".join(lines))

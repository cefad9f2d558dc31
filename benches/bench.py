"""Measures what it is told to, and writes down what it found."""

import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys

import measure
import options as asked
import report
import usage
from contenders import Limit, Peer, Regulars, Schema
from regulars import BINARY, check, psql


def machine():
    processor = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    kilobytes = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1))
    return {
        "processor": processor.group(1) if processor else platform.machine(),
        "cores": os.cpu_count(),
        "memory": round(kilobytes / 1e6),
        "system": f"Linux {platform.release().split('-')[0]}",
    }


def first_line(*command):
    # wrk tells its version and then that it was used wrongly.
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip().splitlines()[0]


def versions(options):
    commit = os.environ["BENCH_COMMIT"]
    found = [first_line(BINARY, "--version") + (f" at {commit}" if commit else "")]
    found += [re.sub(r"pgbench \(PostgreSQL\)", "PostgreSQL", first_line(os.environ["PGBENCH"], "--version"))]
    if not options.no_peer:
        found += ["PostGraphile " + first_line(os.environ["POSTGRAPHILE"], "--version"), "Node " + first_line("node", "--version")]
    return found + [first_line("wrk", "-v").split(" Copyright")[0]]


def begun(options):
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "versions": versions(options),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "customers": options.customers,
    }


def compare(options):
    """`full` and `quick`."""
    results = begun(options)
    print("Loading")
    ours = [Regulars("PostgreSQL", options.customers)]
    ours += [] if options.no_sqlite else [Regulars("SQLite", options.customers)]
    schema = None if options.no_limit and options.no_peer else Schema()
    contenders = ours + ([] if options.no_limit else [Limit(schema)]) + ([] if options.no_peer else [Peer(schema)])
    if options.mode == "full":
        print("Idling")
        results["idle"] = {one.name: measure.idle(one) for one in ours}
    print("Measuring")
    results["measured"] = measure.rounds(contenders, options)
    results["memory"] = {one.name: usage.memory(one.process, "VmHWM") for one in contenders if one.process}
    if options.mode == "full":
        print("Two instances")
        results["two"] = measure.two(ours[0], options)
        print("Looking closer")
        results["statements"], results["times"] = measure.details(contenders, options)
    print("Checking")
    for contender in contenders:
        contender.stop()
        if contender.name != "PostGraphile" or options.no_limit:
            contender.verify()
    if options.mode == "full" and not options.no_sqlite:
        print("Starting")
        results["starts"] = measure.starts(ours[1].database)
    return results


def grow(options):
    """`growth`: the same with few customers and with many."""
    results = begun(options)
    results["sizes"] = sorted(options.sizes)
    contenders = []
    for size in results["sizes"]:
        print(f"Loading {size:,} customers")
        contenders.append(Regulars("PostgreSQL", size))
        contenders[-1].name = report.of_size(size)
    for contender in reversed(contenders):
        hold(contender.database)
    results["huge_pages"] = usage.huge_pages()
    results["measured"] = measure.rounds(contenders, options)
    print("Checking")
    for contender in contenders:
        contender.stop()
        contender.verify()
    return results


def hold(database):
    """Has PostgreSQL read all tables and indexes into its memory, the smallest shop's last."""
    psql(database.name, "CREATE EXTENSION pg_prewarm")
    wanted = "relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace"
    psql(database.name, f"SELECT sum(pg_prewarm(oid)) FROM pg_class WHERE {wanted}")
    psql(database.name, "DROP EXTENSION pg_prewarm")


def main():
    options = asked.parse()
    if not options.no_peer and "POSTGRAPHILE" not in os.environ:
        options.no_peer, options.whole = True, False
    if options.write and options.mode == "growth":
        check(report.kept("full") is not None, "there are figures of a full run to write these beside")
    psql("postgres", "CREATE EXTENSION pg_stat_statements")
    measure.counting("none")
    results = grow(options) if options.mode == "growth" else compare(options)
    results["failures"] = measure.failures
    report.keep(options.mode if options.whole else "part", results)
    if options.mode == "growth":
        print(report.growth_table(report.Figures(results), results["sizes"]))
    else:
        print(report.markdown(results, report.kept("growth")))
    if options.write and not options.whole:
        print("Nothing is written: without PostGraphile the figures are not complete")
    elif options.write:
        report.written(report.kept("full"), report.kept("growth"))
    sys.exit(1 if measure.failures else 0)


main()

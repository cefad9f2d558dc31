"""Runs the cases that are named, or all, one after the other, and prints what became of each in one table."""

import asyncio
import os
import pathlib
import random
import signal
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "proofs"))

import case  # noqa: E402
import faults_server  # noqa: E402,F401
import faults_database  # noqa: E402
import faults_proxy  # noqa: E402,F401
import faults_file  # noqa: E402,F401
import faults_clock  # noqa: E402,F401
import faults_schema  # noqa: E402,F401
import controls  # noqa: E402,F401
import tables  # noqa: E402


async def alone(chosen, seed):
    """A case finds PostgreSQL as it has to be, whatever became of the one before it."""
    await faults_database.CLUSTER.make_sure()
    return await case.run(chosen, seed)


def run(name, seed):
    """One case; one that breaks off is a row with that as its problem."""
    chosen = case.CASES[name]
    print(f"{name}: {chosen.act.__doc__.strip() if chosen.act.__doc__ else ''}", flush=True)
    begun = time.monotonic()
    try:
        row = asyncio.run(alone(chosen, seed))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        row = case.Result(name, seconds=time.monotonic() - begun, problems=[f"broke off: {error!r}"])
    for note in filter(None, row.notes):
        print(f"  {note}")
    for problem in row.problems:
        print(f"  WRONG {problem}")
    print(f"  {tables.verdict(row)}, {row.seconds:.0f} s", flush=True)
    return row


def main(names):
    to_write = names == ["--write"]
    names = [] if to_write else names
    unknown = [name for name in names if name not in case.CASES]
    if unknown:
        print(f"no such case: {', '.join(unknown)}; there are: {', '.join(case.CASES)}", file=sys.stderr)
        return 2
    # As an interrupt does: no server is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}: FAULTS_SEED={seed} runs the same load and the same faults", flush=True)
    begun = time.monotonic()
    rows = [run(name, seed) for name in names or case.CASES]
    asyncio.run(faults_database.CLUSTER.leave())
    print()
    tables.show(rows)
    broken = [row.name for row in rows if row.problems]
    took = time.monotonic() - begun
    print(f"\nseed {seed}, {took:.0f} s, histories in {case.HISTORIES}")
    if to_write:
        cores = os.cpu_count()
        tables.write(rows, f"One run with seed {seed} on a machine of {cores} cores, {took / 60:.0f} minutes:")
    if broken:
        print(f"BROKEN: {', '.join(broken)}")
    return 1 if broken else 0


sys.exit(main(sys.argv[1:]))

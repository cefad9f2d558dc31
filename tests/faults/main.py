"""Runs the cases that are named, or all, one after the other, and prints what became of each in one table."""

import asyncio
import os
import pathlib
import random
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

COLUMNS = (
    ("fault", lambda row: row.name),
    ("tries", lambda row: str(row.tries)),
    ("acknowledged", lambda row: str(row.acknowledged)),
    ("unknown", lambda row: str(row.unknown)),
    ("unreached", lambda row: str(row.unreached)),
    ("refused", lambda row: str(row.refused)),
    ("lost", lambda row: str(row.lost)),
    ("twice", lambda row: str(row.twice)),
    ("drift", lambda row: str(row.drift)),
    ("recovery s", lambda row: "-" if row.recovery is None else f"{row.recovery:.1f}"),
    ("files/MB before", lambda row: case.describe(row.before) if row.before else "-"),
    ("after", lambda row: case.describe(row.after) if row.after else "-"),
    ("s", lambda row: f"{row.seconds:.0f}"),
    ("", lambda row: verdict(row)),
)


def verdict(row):
    if row.problems:
        return f"BROKEN ({len(row.problems)})"
    return "found, as it has to" if case.CASES[row.name].control else "held"


def table(rows):
    lines = [[title for title, _ in COLUMNS]] + [[cell(row) for _, cell in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        # Names and verdicts to the left, numbers to the right.
        cells = [text.ljust(width) if place in (0, len(line) - 1) else text.rjust(width) for place, (text, width) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())


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
    print(f"  {verdict(row)}, {row.seconds:.0f} s", flush=True)
    return row


def main(names):
    unknown = [name for name in names if name not in case.CASES]
    if unknown:
        print(f"no such case: {', '.join(unknown)}; there are: {', '.join(case.CASES)}", file=sys.stderr)
        return 2
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}: FAULTS_SEED={seed} runs the same load and the same faults", flush=True)
    begun = time.monotonic()
    rows = [run(name, seed) for name in names or case.CASES]
    asyncio.run(faults_database.CLUSTER.leave())
    print()
    table(rows)
    broken = [row.name for row in rows if row.problems]
    print(f"\nseed {seed}, {time.monotonic() - begun:.0f} s, histories in {case.HISTORIES}")
    if broken:
        print(f"BROKEN: {', '.join(broken)}")
    return 1 if broken else 0


sys.exit(main(sys.argv[1:]))

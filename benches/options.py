"""What `benches/run` can be told. Run by itself it only checks that."""

import argparse

CASES = ("read", "earn", "redeem", "typename")
MODES = {
    "full": dict(rounds=3, seconds=5.0, connections=(64, 16, 1)),
    "quick": dict(rounds=1, seconds=3.0, connections=(64, 16)),
    "growth": dict(rounds=3, seconds=5.0, connections=(64,)),
}
CUSTOMERS = 100_000
SIZES = (10_000, 100_000, 1_000_000)

DESCRIPTION = """How fast Regulars is: beside PostgreSQL itself (pgbench on the least schema that is correct), and beside
PostGraphile on that schema.

full    everything but growth: rounds in turns, both databases, start, idling, two instances; about 25 minutes
quick   one round of 3 seconds at 64 and 16 connections, on PostgreSQL only
growth  reads, earns and redemptions with 10,000, 100,000 and 1,000,000 customers, all of whom PostgreSQL holds in memory
"""


def whole(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 at least")
    return number


def seconds(text):
    number = float(text)
    # wrk takes whole seconds.
    if number < 1 or number != int(number):
        raise argparse.ArgumentTypeError("must be whole seconds, 1 at least")
    return number


def cases(text):
    chosen = tuple(case for case in CASES if case in text.split(","))
    if set(text.split(",")) - set(CASES):
        raise argparse.ArgumentTypeError(f"must be some of {','.join(CASES)}")
    return chosen


def numbers(text):
    return tuple(whole(part) for part in text.split(","))


def parse(arguments=None):
    parser = argparse.ArgumentParser("benches/run", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="?", choices=MODES, default="full")
    parser.add_argument("--only", type=cases, default=CASES, metavar="CASES", help=f"some of {','.join(CASES)}")
    parser.add_argument("--connections", type=numbers, metavar="N,…")
    parser.add_argument("--seconds", type=seconds, metavar="S", help="of each measurement")
    parser.add_argument("--rounds", type=whole, metavar="N")
    parser.add_argument("--customers", type=whole, default=CUSTOMERS, metavar="N", help="of the shop; other than 100,000 is for tries")
    parser.add_argument("--sizes", type=numbers, default=SIZES, metavar="N,…", help="of growth")
    parser.add_argument("--no-peer", action="store_true", help="leave PostGraphile out")
    parser.add_argument("--no-limit", action="store_true", help="leave pgbench out")
    parser.add_argument("--no-sqlite", action="store_true", help="leave SQLite out")
    parser.add_argument("--write", action="store_true", help="write benches/RESULTS.md and the section of the README")
    options = parser.parse_args(arguments)
    for name, value in MODES[options.mode].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.mode == "growth":
        options.only = tuple(case for case in options.only if case != "typename")
    chosen = (options.only, options.connections, options.customers, options.no_peer, options.no_limit, options.no_sqlite)
    options.whole = chosen == (CASES, MODES["full"]["connections"], CUSTOMERS, False, False, False)
    if options.mode == "growth":
        options.whole = set(options.sizes) == set(SIZES) and len(options.only) == 3 and 64 in options.connections
    if options.write and not (options.whole and options.mode != "quick"):
        parser.error("only what was measured in full is written: --write goes with rounds and seconds alone")
    options.no_sqlite = options.no_sqlite or options.mode != "full"
    options.no_peer = options.no_peer or options.mode == "growth"
    options.no_limit = options.no_limit or options.mode == "growth"
    return options


if __name__ == "__main__":
    # For the shell: what is measured, and whether the peer is wanted.
    asked = parse()
    print(asked.mode, "alone" if asked.no_peer else "peer")

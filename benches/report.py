"""What was measured as Markdown: figures, ratios, and whether they are what we want."""

import dataclasses
import json
import pathlib
import re
import statistics

ROOT = pathlib.Path(__file__).parent.parent
# Where the last figures of each kind of run are kept.
KEPT = ROOT / "target" / "bench"
BEGIN, END = "<!-- speed: begin, written by benches/run --write -->", "<!-- speed: end -->"
CASES = {
    "read": "a member with balance, tier and ten entries",
    "earn": "points earned, once for their key",
    "redeem": "points spent, oldest first, once for their key",
    "typename": "`{ __typename }`",
}


@dataclasses.dataclass
class Wish:
    """What a figure is to be."""

    what: str
    found: float | None
    bound: float
    is_least: bool
    unit: str = ""

    def row(self):
        wanted = f"{'≥' if self.is_least else '<'} {self.bound:g}{self.unit}"
        if self.found is None:
            return (self.what, wanted, "not measured", "")
        met = self.found >= self.bound if self.is_least else self.found < self.bound
        return (self.what, wanted, f"{self.found:.2f}{self.unit}", "pass" if met else "**miss**")


class Figures:
    """The measurements of a run, found again by who, what and at how many connections."""

    def __init__(self, results):
        self.results = results
        self.rows = {(row["contender"], row["case"], row["connections"]): row["rounds"] for row in results["measured"]}
        self.looked = {(row["case"], row["connections"]): row for row in results.get("times", ())}

    def each(self, contender, case, connections, figure):
        found = [one[figure] for one in self.rows.get((contender, case, connections), ())]
        return [value for value in found if value is not None]

    def middle(self, contender, case, connections, figure="rate"):
        found = self.each(contender, case, connections, figure)
        return statistics.median(found) if found else None

    def ratio(self, other, case, connections, figure="rate"):
        ours, theirs = (self.middle(name, case, connections, figure) for name in ("Regulars", other))
        return ours / theirs if ours and theirs else None

    def most(self, contender, figure):
        found = [one[figure] for (name, _, _), rounds in self.rows.items() if name == contender for one in rounds]
        return max(found, default=None)


def rate(figures, *where):
    found = figures.each(*where, "rate")
    if not found:
        return "–"
    spread = f" ({min(found):,.0f}–{max(found):,.0f})" if len(found) > 1 else ""
    return f"{statistics.median(found):,.0f}{spread}"


def number(value, form):
    return "–" if value is None else format(value, form)


def table(heads, rows):
    """The first column to the left, the others to the right."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" + " ---: |" * (len(heads) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def beside(figures):
    """Ours beside the limit and the peer."""
    heads = ("", "connections", "Regulars /s", "p50 ms", "p99 ms", "pgbench /s", "p50 ms", "p99 ms")
    heads += ("× pgbench", "PostGraphile /s", "p50 ms", "p99 ms", "× PostGraphile")
    rows = []
    for name, case, connections in figures.rows:
        if name != "Regulars":
            continue
        looked = figures.looked.get((case, connections), {})
        where, peer = ("Regulars", case, connections), ("PostGraphile", case, connections)
        rows.append(
            (case, str(connections), rate(figures, *where))
            + tuple(number(figures.middle(*where, figure), ".2f") for figure in ("p50", "p99"))
            + (rate(figures, "pgbench", case, connections),)
            + tuple(number(looked.get(figure), ".2f") for figure in ("p50", "p99"))
            + (number(figures.ratio("pgbench", case, connections), ".2f"), rate(figures, *peer))
            + tuple(number(figures.middle(*peer, figure), ".2f") for figure in ("p50", "p99"))
            + (number(figures.ratio("PostGraphile", case, connections), ".2f"),)
        )
    return table(heads, rows)


def costs(figures):
    """What a request takes."""
    heads = ("", "connections", "by", "server µs", "database µs", "statements", "at rest after s")
    rows = []
    for (name, case, connections), _ in figures.rows.items():
        if name == "Regulars on SQLite":
            continue
        where = (name, case, connections)
        server = figures.middle(*where, "server_us") if name != "pgbench" else None
        counted = figures.results.get("statements", {}).get(f"{name} {case}")
        rest = figures.middle(*where, "rested")
        rows.append(
            (case, str(connections), name, number(server, ",.0f"), number(figures.middle(*where, "database_us"), ",.0f"))
            + (number(counted, ".1f"), number(rest, ".1f"))
        )
    return table(heads, rows)


def sqlite(figures):
    heads = ("", "connections", "Regulars on SQLite /s", "p50 ms", "p99 ms", "server µs")
    rows = []
    for name, case, connections in figures.rows:
        if name == "Regulars on SQLite":
            where = (name, case, connections)
            found = tuple(number(figures.middle(*where, figure), form) for figure, form in (("p50", ".2f"), ("p99", ".2f"), ("server_us", ",.0f")))
            rows.append((case, str(connections), rate(figures, *where), *found))
    return table(heads, rows) if rows else None


def others(figures):
    results, lines = figures.results, []
    for who in ("Regulars", "Regulars on SQLite", "PostGraphile"):
        most, ever = figures.most(who, "resident"), results.get("memory", {}).get(who)
        if most:
            lines.append((f"resident memory of {who} under load, at most", f"{most:.0f} MB (VmHWM {number(ever, '.0f')} MB)"))
    if starts := results.get("starts"):
        spread = f"{statistics.median(starts):.0f} ms ({min(starts):.0f}–{max(starts):.0f})"
        lines.append(("start to first answer on a SQLite file that is there", spread))
    for who, parts in results.get("idle", {}).items():
        lines.append((f"{who} idling: server{', database' if len(parts) > 1 else ''}", " + ".join(f"{part:.2f} %" for part in parts) + " of a core"))
    for case, rates in results.get("two", {}).items():
        single = figures.middle("Regulars", case, 64)
        against = f", {statistics.median(rates) / single:.2f} × one" if single else ""
        lines.append((f"{case} by two instances, 32 connections each", f"{statistics.median(rates):,.0f}/s{against}"))
    return table(("", ""), lines)


def growth_table(figures, sizes):
    heads = ("", "connections") + tuple(f"{size:,} customers /s" for size in sizes) + ("most to fewest",)
    rows = []
    for name, case, connections in figures.rows:
        if name == of_size(sizes[0]):
            found = tuple(rate(figures, of_size(size), case, connections) for size in sizes)
            rows.append((case, str(connections), *found, number(grown(figures, sizes, case, connections), ".2f")))
    return table(heads, rows)


def of_size(size):
    return f"{size:,} customers"


def grown(figures, sizes, case, connections=64):
    few, many = (figures.middle(of_size(size), case, connections) for size in (sizes[0], sizes[-1]))
    return many / few if few and many else None


def wishes(figures, growth):
    """Pass or miss."""
    for case, limit, peer in (("read", 1.0, 4.0), ("earn", 2.0, 5.0), ("redeem", 2.0, 5.0)):
        yield Wish(f"{case} at 64, to pgbench", figures.ratio("pgbench", case, 64), limit, True, " ×")
        yield Wish(f"{case} at 64, to PostGraphile", figures.ratio("PostGraphile", case, 64), peer, True, " ×")
    yield Wish("read at 16, to PostGraphile", figures.ratio("PostGraphile", "read", 16), 3.0, True, " ×")
    yield Wish("earn at 16, to pgbench", figures.ratio("pgbench", "earn", 16), 1.0, True, " ×")
    for case in ("read", "earn", "redeem"):
        for connections in (64, 16):
            found = figures.ratio("PostGraphile", case, connections, "p99")
            yield Wish(f"p99 of {case} at {connections}, to PostGraphile", found, 0.5, False, " ×")
    yield Wish("resident memory under load", figures.most("Regulars", "resident"), 80, False, " MB")
    starts = figures.results.get("starts")
    yield Wish("start to first answer", statistics.median(starts) if starts else None, 150, False, " ms")
    for case in ("read", "earn", "redeem"):
        found = grown(Figures(growth), growth["sizes"], case) if growth else None
        yield Wish(f"{case} at 64 with 1,000,000 customers, to 10,000", found, 0.8, True, " ×")


def told(results):
    """When, where and how."""
    machine = results["machine"]
    taken = f"{results['rounds']} round{'s' if results['rounds'] > 1 else ''} of {results['seconds']:.0f} s in turns"
    shops = results.get("sizes") or [results["customers"]]
    of = f"{' and '.join(f'{size:,}' for size in shops)} customers" if len(shops) < 3 else "the customers named"
    return (
        f"{results['date']}, {machine['processor']}, {machine['cores']} cores shared by client, server and database, "
        f"{machine['memory']} GB, {machine['system']}; {', '.join(results['versions'])}. {taken}; medians, and the least and "
        f"the most in brackets. A shop of {of} with ten entries each; fsync on. {disturbed(results)}"
    )


def late(results):
    """Answers that nobody would wait for."""
    for row in results["measured"]:
        if count := sum(one["late"] for one in row["rounds"]):
            yield f"{count} answers of {row['contender']} to {row['case']} at {row['connections']} took more than two seconds."


def disturbed(results):
    """What else the machine did: above a few per cent the figures tell of that as much as of what was measured."""
    shares = [one["others"] for row in results["measured"] for one in row["rounds"]]
    return (
        f"Whatever else ran, kernel threads among it, took {statistics.median(shares):.0f} % of the machine in the middle "
        f"measurement and {max(shares):.0f} % in the worst."
    )


def markdown(results, growth):
    """All of it."""
    figures = Figures(results)
    parts = ["# Speed", told(results)]
    if results["failures"]:
        parts.append("**This run failed:** " + "; ".join(results["failures"]))
    parts += ["\n".join(f"- {case}: {what}" for case, what in CASES.items())]
    parts += ["## Wishes", table(("", "wanted", "found", ""), [wish.row() for wish in wishes(figures, growth)])]
    parts += ["## Beside PostgreSQL itself and PostGraphile", beside(figures)]
    parts += ["\n".join(f"- {line}" for line in late(results))]
    parts += ["## What a request takes", costs(figures), BESIDES]
    if found := sqlite(figures):
        parts += ["## SQLite", found]
    parts += ["## Besides", others(figures)]
    if growth:
        parts += ["## Growth", told(growth) if growth["date"] != results["date"] else ""]
        parts += [growth_table(Figures(growth), growth["sizes"]), held(growth)]
        if growth["failures"]:
            parts.append("**That run failed:** " + "; ".join(growth["failures"]))
    return "\n\n".join(part for part in parts if part) + "\n"


BESIDES = """The processor's time is of all processes of the server, and of all of PostgreSQL, while the client ran. Statements
are those that clients of the database sent at 16 connections, with what the worker does of it afterwards and without `BEGIN`
and `COMMIT`; SQLite tells of none. *At rest after* is how long server and database were at work after the last answer.
p50 and p99 of pgbench are from a run of their own, since its log takes some of its speed."""


HELD = """Here PostgreSQL has `shared_buffers` of 40 % of the memory, {}, all shops were read into it before, and a page that is
logged whole is packed (`wal_compression=lz4`): what is asked is whether the program slows down with the shop, and with 1 GB it
is the disk that does."""


def held(growth):
    return HELD.format("in huge pages" if growth.get("huge_pages") else "in pages of 4 KiB, since no huge ones were to be had")


def section(results, growth):
    """For the README."""
    figures = Figures(results)
    heads = ("", "connections", "Regulars", "PostgreSQL itself", "PostGraphile", "p99", "p99 of PostGraphile")
    rows = []
    for name, case, connections in figures.rows:
        if name == "Regulars":
            times = (figures.middle(who, case, connections, "p99") for who in ("Regulars", "PostGraphile"))
            rates = (figures.middle(who, case, connections) for who in ("Regulars", "pgbench", "PostGraphile"))
            rows.append(
                (CASES[case], str(connections), *(number(found, ",.0f") + ("/s" if found else "") for found in rates))
                + tuple(number(found, ".1f") + (" ms" if found else "") for found in times)
            )
    found = [wish for wish in wishes(figures, growth)]
    missed = [wish.what for wish in found if wish.row()[3] not in ("pass", "")]
    ends = f"Of what we want, this run misses: {'; '.join(missed)}." if missed else ""
    ends = (ends + " [All figures](benches/RESULTS.md); `benches/run` takes them anew.").strip()
    return "\n\n".join((told(results), table(heads, rows), ends))


def written(results, growth):
    """Replaces what was written before."""
    (ROOT / "benches" / "RESULTS.md").write_text(markdown(results, growth), "utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"README.md has no section between `{BEGIN}` and `{END}`")
    marked = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    readme.write_text(marked.sub(lambda _: f"{BEGIN}\n\n{section(results, growth)}\n\n{END}", text), "utf-8")


def keep(name, results):
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.json").write_text(json.dumps(results, indent=1), "utf-8")


def kept(name):
    file = KEPT / f"{name}.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else None

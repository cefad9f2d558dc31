"""What became of each case in one table: for whoever reads along, and for README.md."""

import pathlib

from case import CASES, describe

README = pathlib.Path(__file__).parent.parent.parent / "README.md"
BEGIN = "<!-- faults: begin, written by tests/faults/run --write -->\n"
END = "<!-- faults: end -->\n"


def verdict(row):
    if row.problems:
        return f"BROKEN ({len(row.problems)})"
    return "found, as it has to" if CASES[row.name].control else "held"


FAULT = ("fault", lambda row: row.name)
TRIES = ("tries", lambda row: str(row.tries))
ACKNOWLEDGED = ("acknowledged", lambda row: str(row.acknowledged))
UNKNOWN = ("unknown", lambda row: str(row.unknown))
UNREACHED = ("unreached", lambda row: str(row.unreached))
REFUSED = ("refused", lambda row: str(row.refused))
LOST = ("lost", lambda row: str(row.lost))
TWICE = ("twice", lambda row: str(row.twice))
DRIFT = ("drift", lambda row: str(row.drift))
RECOVERY = ("recovery s", lambda row: "-" if row.recovery is None else f"{row.recovery:.1f}")
USED_BEFORE = ("files/MB before", lambda row: describe(row.before) if row.before else "-")
USED_AFTER = ("after", lambda row: describe(row.after) if row.after else "-")
SECONDS = ("s", lambda row: f"{row.seconds:.0f}")
VERDICT = ("", verdict)

PRINTED = (FAULT, TRIES, ACKNOWLEDGED, UNKNOWN, UNREACHED, REFUSED, LOST, TWICE, DRIFT, RECOVERY)
PRINTED += (USED_BEFORE, USED_AFTER, SECONDS, VERDICT)
WRITTEN = (FAULT, TRIES, ACKNOWLEDGED, UNKNOWN, LOST, TWICE, DRIFT, RECOVERY, VERDICT)


def cells(columns, rows):
    return [[title for title, _ in columns]] + [[cell(row) for _, cell in columns] for row in rows]


def show(rows):
    """Prints it, names and verdicts to the left and numbers to the right."""
    lines = cells(PRINTED, rows)
    widths = [max(map(len, column)) for column in zip(*lines)]
    last = len(widths) - 1
    for line in lines:
        placed = enumerate(zip(line, widths))
        print("  ".join(text.ljust(width) if place in (0, last) else text.rjust(width) for place, (text, width) in placed).rstrip())


def write(rows, words):
    """Puts it into README.md between its marks, under a sentence about the run."""
    head, *lines = [f"| {' | '.join(line)} |" for line in cells(WRITTEN, rows)]
    rule = "|---|" + "---:|" * (len(WRITTEN) - 2) + "---|"
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        raise ValueError(f"{README.name} has no marks for this table")
    README.write_text(before + BEGIN + "\n".join((words, "", head, rule, *lines, "")) + END + after)

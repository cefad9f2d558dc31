"""The ledger once more, from its rows: what entries, lots, holds and pairings add up to, in plain Python.

Nothing here is shared with the program's own verifier: two that were written apart do not make the same mistake."""

import collections

BUCKETS = ("ISSUED", "PENDING", "AVAILABLE", "HELD", "REDEEMED", "EXPIRED", "REVOKED", "DEBT")


def hexed(database, column):
    """An id as 32 digits, on either database."""
    return f"replace({column}::text, '-', '')" if database.engine == "PostgreSQL" else f"lower(hex({column}))"


class Rows:
    """The rows of the ledger as they are now."""

    def __init__(self, database):
        identity = lambda column: f"coalesce({hexed(database, column)}, '')"
        columns = ", ".join(bucket.lower() for bucket in BUCKETS)
        self.accounts = {
            row[0]: dict(zip(BUCKETS, map(int, row[2:])), seq=int(row[1]))
            for row in database.rows(f"SELECT {identity('id')}, seq, {columns} FROM points_accounts")
        }
        self.entries = database.rows(
            f"SELECT {identity('id')}, {identity('account_id')}, seq, kind, from_bucket, to_bucket, amount, "
            f"{identity('lot_id')}, {identity('hold_id')}, {identity('order_id')}, {identity('return_id')}, "
            "coalesce(reason, '') FROM points_entries"
        )
        self.lots = database.rows(
            f"SELECT {identity('id')}, {identity('account_id')}, source, amount, pending, remaining FROM points_lots"
        )
        self.holds = database.rows(
            f"SELECT {identity('id')}, {identity('account_id')}, state, amount, reversed, coalesce(reference, '') "
            "FROM points_holds"
        )
        self.consumed = database.rows(
            f"SELECT {identity('entry_id')}, {identity('lot_id')}, {identity('hold_id')}, amount, refilled "
            "FROM points_consumptions"
        )


def drifts(rows):
    """What does not add up, in words; one for each sum."""
    found = []
    found += drifts_of_entries(rows)
    found += drifts_of_lots(rows)
    found += drifts_of_holds(rows)
    return found


def compared(what, cached, computed):
    """A line for each key whose two values differ."""
    keys = sorted(set(cached) | set(computed))
    return [
        f"{what} of {key}: {cached.get(key, 0)}, recomputed {computed.get(key, 0)}"
        for key in keys
        if cached.get(key, 0) != computed.get(key, 0)
    ]


def drifts_of_entries(rows):
    """Buckets are the sums of their entries, which are numbered from 1 without gaps; all buckets add up to nothing."""
    computed, numbers = collections.Counter(), collections.defaultdict(list)
    for _, account, seq, _, source, target, amount, *_ in rows.entries:
        computed[account, source] -= int(amount)
        computed[account, target] += int(amount)
        numbers[account].append(int(seq))
    cached = {(account, bucket): sums[bucket] for account, sums in rows.accounts.items() for bucket in BUCKETS}
    found = compared("bucket", cached, computed)
    for account, sums in rows.accounts.items():
        seen = sorted(numbers[account])
        if seen != list(range(1, len(seen) + 1)) or sums["seq"] != len(seen):
            found.append(f"numbers of the entries of {account}: {len(seen)}, the last {seen[-1:]}, counted {sums['seq']}")
        if sum(sums[bucket] for bucket in BUCKETS) != 0:
            found.append(f"all buckets of {account} together are {sum(sums[bucket] for bucket in BUCKETS)}")
        found += [f"{bucket} of {account} is {sums[bucket]}" for bucket in BUCKETS[1:] if sums[bucket] < 0]
    return found


def drifts_of_lots(rows):
    """What is pending or available is in lots, and a lot has lost what was taken from it."""
    pending, remaining, taken, lots = (collections.Counter() for _ in range(4))
    debits = {row[0]: int(row[6]) for row in rows.entries if row[4] == "AVAILABLE"}
    paired = collections.Counter()
    for entry, lot, _, amount, refilled in rows.consumed:
        paired[entry] += int(amount)
        taken[lot] += int(amount) - int(refilled)
    for lot, account, _, amount, waiting, left in rows.lots:
        pending[account] += int(waiting)
        remaining[account] += int(left)
        lots[lot] = int(amount) - int(waiting) - int(left)
    found = compared("pending", {key: sums["PENDING"] for key, sums in rows.accounts.items()}, pending)
    found += compared("available in lots", {key: sums["AVAILABLE"] for key, sums in rows.accounts.items()}, remaining)
    found += compared("what was taken from lot", lots, taken)
    return found + compared("what debit took from lots", debits, paired)


def drifts_of_holds(rows):
    """What is held is in holds that are open, and each has from lots what it did not give back."""
    held, from_lots, kept = (collections.Counter() for _ in range(3))
    for _, _, hold, amount, refilled in rows.consumed:
        if hold:
            from_lots[hold] += int(amount) - int(refilled)
    for hold, account, state, amount, back, _ in rows.holds:
        held[account] += int(amount) if state == "HELD" else 0
        kept[hold] += 0 if state in ("VOIDED", "EXPIRED") else int(amount) - int(back)
    found = compared("held", {key: sums["HELD"] for key, sums in rows.accounts.items()}, held)
    return found + compared("what a hold took from lots", kept, from_lots)

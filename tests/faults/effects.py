"""What acknowledged operations have to have left in the database, and what is there: no more and no less.

Every operation is found by its own key: in a text that it carried, or in what the server kept for the key."""

import base64
import collections

from ledger import compared, hexed
from load import ODD, OK, UNKNOWN


# What an answer of each kind has to name.
MADE = dict.fromkeys(("pointsHold", "pointsCapture"), ("hold",)) | dict.fromkeys(
    ("orderRecord", "orderPay", "orderReturn"), ("order",)
)


class Findings:
    """What is wrong: acknowledged and not there, there twice or unasked for, and sums that differ."""

    def __init__(self):
        self.lost, self.twice, self.drift = [], [], []


def uuid_of(identity):
    """The id inside of one of the API's; none of what was not there."""
    if identity is None:
        return ""
    padded = identity + "=" * (-len(identity) % 4)
    return base64.urlsafe_b64decode(padded).decode().partition(":")[2].replace("-", "")


def results(database):
    """What the server kept for each idempotency key whose work was done: the id of the hold, if it made one."""
    made = "CASE WHEN operation = 'pointsHold' THEN result->>'hold' ELSE '' END"
    found = database.rows(f"SELECT key, {made} FROM idempotency_keys WHERE result IS NOT NULL")
    return {key: hold.replace("-", "") for key, hold in found}


class Effects:
    """Per key of an operation, by its field: how often it took effect, and with how many points."""

    def __init__(self, database, rows, prefix):
        self.found = collections.defaultdict(list)
        self.prefix, self.keys = prefix, results(database)
        key_of_hold = {hold: key for key, hold in self.keys.items() if hold}
        self.captures = {}
        self.of_entries(rows)
        self.of_holds(rows, key_of_hold)
        self.of_orders(database)

    def add(self, field, key, points):
        if key.startswith(self.prefix):
            self.found[field, key].append(points)

    def of_entries(self, rows):
        for _, _, _, kind, source, _, amount, _, hold, order, _, reason in rows.entries:
            if kind == "EARN" and not order:
                self.add("pointsEarn", reason, int(amount))
            if kind == "ADJUST":
                self.add("pointsAdjust", reason, -int(amount) if source == "AVAILABLE" else int(amount))
            if kind == "CAPTURE":
                self.captures.setdefault(hold, []).append(int(amount))

    def of_holds(self, rows, key_of_hold):
        for hold, _, _, amount, _, reference in rows.holds:
            if reference:
                captured = self.captures.get(hold, [])
                for amount in captured:
                    self.add("pointsRedeem", reference, amount)
            else:
                # A hold whose key the server does not know is one too many, under its own name.
                self.add("pointsHold", key_of_hold.get(hold, f"{self.prefix}hold {hold}"), int(amount))

    def of_orders(self, database):
        order = hexed(database, "o.id")
        self.orders = {row[0]: row[1:] for row in database.rows(f"SELECT external_id, {order}, state FROM orders AS o")}
        lines = f"SELECT {order}, l.line_total, l.quantity, l.returned FROM order_lines AS l JOIN orders AS o ON o.id = l.order_id"
        self.lines = {row[0]: tuple(map(int, row[1:])) for row in database.rows(lines)}
        for (reason,) in database.rows("SELECT coalesce(reason, '') FROM order_returns"):
            self.add("orderReturn", reason, None)


def judge(load, effects, findings):
    """Compares what was answered with what is there, operation by operation."""
    for key, operation in load.operations.items():
        if operation.state == ODD:
            findings.drift.append(f"{operation.field} {key} was answered as nobody expects")
        if operation.differing is not None:
            findings.drift.append(f"{operation.field} {key} was answered {operation.done}, then {operation.differing}")
        if operation.state == UNKNOWN:
            # Reported by whoever asked for it in vain: it may be there or not.
            effects.found.pop((operation.field, key), None)
            continue
        judge_one(operation, effects, findings)
    left = [(field, key) for field, key in effects.found if key not in load.operations]
    findings.twice += [f"{field} {key} is there, and nobody asked for it" for field, key in left]


def judge_one(operation, effects, findings):
    field, key, given = operation.field, operation.key, operation.given
    done = operation.state == OK
    there, points = presence(operation, effects)
    if done and not there:
        findings.lost.append(f"{field} {key}, acknowledged as {operation.done}")
    if done and key not in effects.keys:
        findings.lost.append(f"the key of {field} {key}, acknowledged as {operation.done}")
    if there > (1 if done else 0):
        findings.twice.append(f"{field} {key} took effect {there} times, and was {'done' if done else 'refused'}")
    if done and there == 1 and points is not None and points != operation.done["points"]:
        findings.drift.append(f"{field} {key} was answered {operation.done}, and moved {points}")
    if done and any(operation.done[what] is None for what in MADE.get(field, ())):
        findings.drift.append(f"{field} {key} was answered as done, without what it did: {operation.done}")
    if done and field in ("pointsEarn", "pointsRedeem") and operation.done["points"] != given["points"]:
        findings.drift.append(f"{field} {key} asked for {given['points']} and was answered {operation.done}")


def presence(operation, effects):
    """How often an operation took effect, and the points that it moved if it alone says so."""
    field, key, given = operation.field, operation.key, operation.given
    if field == "pointsCapture":
        captured = effects.captures.get(uuid_of(given["holdId"]), [])
        return (len(captured), captured[0]) if captured else (0, None)
    if field in ("orderRecord", "orderPay"):
        order = effects.orders.get(given["externalId"])
        return int(order is not None and (field == "orderRecord" or order[1] != "PLACED")), None
    found = effects.found.get((field, key), [])
    told = (operation.done or {}).get("hold")
    if field == "pointsHold" and found and told and effects.keys.get(key) != uuid_of(told):
        return 0, None
    return len(found), found[0] if found else None


def expected_balances(load, effects, rows):
    """What every customer has to have by what was answered: available, held and redeemed points."""
    available, held, redeemed = (collections.Counter() for _ in range(3))
    gone = {hold for hold, _, state, *_ in rows.holds if state == "EXPIRED"}
    owners, holds = {}, {}
    for operation in load.operations.values():
        if operation.state != OK:
            continue
        field, given, points = operation.field, operation.given, operation.done["points"]
        who = uuid_of(given["customerId"]) if "customerId" in given else None
        if field in ("pointsEarn", "pointsAdjust"):
            available[who] += points
        elif field == "pointsRedeem":
            available[who] -= points
            redeemed[who] += points
        elif field == "pointsHold":
            holds[operation.done["hold"]] = who
            if uuid_of(operation.done["hold"]) not in gone:
                available[who] -= points
                held[who] += points
        elif field == "pointsCapture":
            held[holds[given["holdId"]]] -= points
            redeemed[holds[given["holdId"]]] += points
        elif field == "orderRecord":
            owners[given["externalId"]] = who
    for external_id, who in owners.items():
        order = effects.orders.get(external_id)
        if order and order[1] != "PLACED":
            total, quantity, returned = effects.lines[order[0]]
            earned = total // 100
            available[who] += earned - earned * returned // quantity
    return available, held, redeemed


def balances(load, effects, rows, findings):
    """Compares what customers have with what they were told."""
    wanted = expected_balances(load, effects, rows)
    for bucket, expected in zip(("AVAILABLE", "HELD", "REDEEMED"), wanted):
        found = {account: sums[bucket] for account, sums in rows.accounts.items()}
        findings.drift += compared(f"{bucket} by what was answered", found, expected)

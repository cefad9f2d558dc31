"""A mail that was being sent when its server was killed is sent again, under the same Message-ID, and counted."""

import asyncio
import collections
import re
import signal
import time

from regulars import ENGINES, Database, Server, check, equal, mutate, outcome

KILLS, MAILS = 50, 4
# Seconds. A mail is taken up again when its lease has run out by the clock of the database.
LEASE = 5
UNKNOWN = "regulars_mails_unknown_outcome_total"


class MailServer:
    """Takes mails over SMTP. Of a mail that is new it says nothing once it has all of it, until the sender is gone: whether
    it arrived, the sender cannot know. One that it has already is taken at once."""

    def __init__(self):
        # How often each mail arrived in whole, and to whom.
        self.arrived, self.recipients, self.unanswered = collections.Counter(), {}, 0
        self.stalls, self.new = True, asyncio.Event()
        # Copies that arrived after the counters of their server were read for the last time.
        self.read, self.uncounted = False, 0

    async def begin(self):
        self.server = await asyncio.start_server(self.converse, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def converse(self, reader, writer):
        try:
            await self.take(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The sender was killed, or the proof has ended.
            pass
        finally:
            writer.close()

    async def take(self, reader, writer):
        recipient, answer = None, b"220 proof"
        while True:
            writer.write(answer + b"\r\n")
            await writer.drain()
            command, answer = await reader.readuntil(b"\r\n"), b"250 fine"
            if command.startswith(b"RCPT TO:<"):
                recipient = command[9:].split(b">")[0].decode()
            elif command == b"DATA\r\n":
                writer.write(b"354 go on\r\n")
                mail = await reader.readuntil(b"\r\n.\r\n")
                if self.keep(recipient, mail):
                    # Ends when the sender does.
                    await reader.read()
                    return

    def keep(self, recipient, mail):
        """Answers whether the sender is to wait for its answer in vain."""
        message_id = re.search(rb"^Message-ID: <(\S+)>\r$", mail, re.MULTILINE).group(1).decode()
        self.arrived[message_id] += 1
        self.recipients[message_id] = recipient
        self.uncounted += self.read and self.arrived[message_id] > 1
        stalls = self.stalls and self.arrived[message_id] == 1
        if stalls:
            self.unanswered += 1
            self.new.set()
        return stalls

    def end(self):
        self.server.close()


async def register(port, numbers):
    """Mails as many new addresses a code; answers them."""
    addresses = [f"new-{number}@example.org" for number in numbers]
    answers = await asyncio.gather(*(mutate(port, None, "customerRegister", {"email": email}) for email in addresses))
    ends = {outcome(answer, "customerRegister") for answer in answers}
    if ends != {"done"}:
        check(False, f"registrations were acknowledged: {ends}")
    return addresses


async def counted(port):
    """What this server counted of mails with an unknown outcome."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    found = re.search(rf"^{UNKNOWN} (\d+)$", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


async def nothing_is_queued(database):
    begun = time.monotonic()
    mails = "SELECT count(*) FROM jobs WHERE kind = 'mail'"
    while database.number(mails) and time.monotonic() < begun + 120:
        await asyncio.sleep(0.5)
    equal(database.number(mails), 0, f"mails still queued after {time.monotonic() - begun:.1f} s")


async def killed_while_sending(database, options, mail_server):
    """Kills a server fifty times with a mail on its way; answers whom it was to mail, and what it counted."""
    asked, unknown = set(), 0
    for kill in range(KILLS):
        server = Server(database, *options).up()
        mail_server.new.clear()
        mail_server.read = False
        asked.update(await register(server.port, range(kill * MAILS, (kill + 1) * MAILS)))
        # Between the mail and the answer to it: the job is not settled.
        await asyncio.wait_for(mail_server.new.wait(), 60)
        mail_server.read = True
        unknown += await counted(server.port)
        ended = server.kill()
        if ended.code != -signal.SIGKILL or "panicked" in ended.err:
            check(False, f"kill {kill + 1}: {ended.code}\n{ended.err}")
    check(True, f"{KILLS} kills, each with a mail on its way: {mail_server.unanswered} mails were never answered")
    return asked, unknown


async def proof(engine):
    database, mail_server, begun = Database(engine), MailServer(), time.monotonic()
    options = ("--smtp-url", f"smtp://127.0.0.1:{await mail_server.begin()}", "--job-lease-seconds", LEASE)
    asked, unknown = await killed_while_sending(database, options, mail_server)
    mail_server.stalls = mail_server.read = False
    server = Server(database, *options).up()
    await nothing_is_queued(database)
    unknown += await counted(server.port)
    equal(server.stop().code, 0, "exit code of the stopped server")
    mail_server.end()

    # SQLite keeps an id as its bytes.
    ids = "id" if engine == "PostgreSQL" else "lower(hex(id))"
    challenges = {row[0].replace("-", "") for row in database.rows(f"SELECT {ids} FROM mailbox_challenges")}
    mailed = {message_id.split("@")[0].replace("-", "") for message_id in mail_server.arrived}
    equal(len(challenges), KILLS * MAILS, "codes asked for")
    equal(len(challenges - mailed), 0, "codes whose mail never arrived")
    check(set(mail_server.recipients.values()) == asked, f"every address got its mail: {len(asked)}")
    equal(len(mail_server.arrived), len(challenges), "different Message-IDs")
    equal(database.number("SELECT count(*) FROM jobs WHERE state = 'DEAD'"), 0, "dead jobs")
    twice = [count for count in mail_server.arrived.values() if count > 1]
    again = sum(count - 1 for count in twice)
    check(again >= KILLS, f"mails sent again: {again}, of {len(twice)} mails")
    check(unknown >= again - mail_server.uncounted, f"outcomes counted as unknown: {unknown}")
    return (
        f"{engine:<11} {KILLS} kills in {time.monotonic() - begun:.0f} s, {len(challenges)} mails, 0 lost, {len(twice)} arrived more "
        f"than once ({again} copies too many, {max(twice)} of one at most), {unknown} outcomes counted as unknown"
    )


results = []
for engine in ENGINES:
    print(f"{engine}: {KILLS} kills")
    results.append(asyncio.run(proof(engine)))
print("\n".join(results))

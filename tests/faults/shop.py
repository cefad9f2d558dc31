"""A shop to be tried: a database, the instances that serve it, customers with points, and who may ask."""

import asyncio
import copy
import os
import pathlib
import re
import signal

from load import Load, Target
from regulars import Database, Server, api_key, check, customer, equal, owner, run, signed_in

SCOPES = ("customers:read", "customers:write", "points:write", "orders:read", "orders:write")
RICH, POOR = 10, 2
# Points that customers have at first: some always enough, some often not.
PLENTY, LITTLE = 1_000_000, 40
# Seconds. What a worker did not end is taken up again after them, by the clock of the database.
LEASE = 5


class Template:
    """A migrated database of PostgreSQL that others are copies of."""

    name = None

    @classmethod
    def copy(cls):
        if cls.name is None:
            first = Database("PostgreSQL")
            equal(run(first, "migrate").code, 0, "a database was migrated, of which others are copies: exit code")
            cls.name = first.name
        return Database("PostgreSQL", options=f'TEMPLATE "{cls.name}"')


class Instance:
    """A server with its settings, started again after its end; its log is kept over all its lives."""

    def __init__(self, name, database, options, variables, limits=None):
        self.name, self.database, self.options, self.variables = name, database, options, variables
        self.limits = limits
        self.target, self.server, self.logs = Target(name, None), None, []

    async def start(self):
        self.server = Server(self.database, *self.options, variables=self.variables, limits=self.limits)
        await asyncio.to_thread(self.server.up)
        self.target.port = self.server.port

    @property
    def pid(self):
        return self.server.process.pid

    def has_ended(self):
        return self.server is None or self.server.process.poll() is not None

    async def kill(self):
        """SIGKILL."""
        ended = await asyncio.to_thread(self.server.kill)
        self.logs.append(ended.err)

    async def stop(self):
        """SIGTERM; answers how it ended."""
        ended = await asyncio.to_thread(self.server.stop)
        self.logs.append(ended.err)
        return ended

    def freeze(self):
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def log(self):
        """All that it said."""
        # The file goes once the end of its server was looked after.
        is_there = self.server is not None and os.path.exists(self.server.process.outputs[1].name)
        return "\n".join(self.logs + ([self.server.log()] if is_there else []))

    def resources(self):
        """Open files and resident memory in megabytes."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        memory = int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE).group(1))
        return len(os.listdir(f"/proc/{self.pid}/fd")), memory / 1024


class Shop:
    """Instances over one database, and the load on them."""

    def __init__(self, case, seed):
        self.case, self.seed, self.notes = case, seed, []
        # A mail server, if mails are not to go to the log.
        self.database, self.instances, self.load, self.mail_server = None, [], None, None
        # What has to hold in this case alone and did not; and who need not have a mail.
        self.problems, self.unmailed = [], set()

    async def open(self, directory=None, variables=None, through=None, options=(), limits=None):
        """Starts the instances. `variables` are each one's own environment; `through` is a port between each instance
        and the database; `limits` is called in each before it begins."""
        on_postgres = self.case.engine == "PostgreSQL"
        self.database = await asyncio.to_thread(Template.copy) if on_postgres else Database("SQLite", directory)
        everywhere = ("--job-lease-seconds", LEASE, *self.case.options, *options)
        for number in range(self.case.instances):
            seen = copy.copy(self.database)
            if through:
                seen.url = re.sub(r":\d+/", f":{through[number]}/", self.database.url)
            own = variables[number] if variables else None
            self.instances.append(Instance(f"instance {number + 1}", seen, everywhere, own, limits))
        for instance in self.instances:
            await instance.start()
        await self.people()

    async def people(self):
        """Who asks, and customers with points."""
        port = self.instances[0].target.port
        key = await asyncio.to_thread(api_key, self.database, *SCOPES)
        self.staff = await asyncio.to_thread(owner, self.database)
        customers = [await customer(port, key, f"c{number}") for number in range(RICH + POOR)]
        targets = [instance.target for instance in self.instances]
        keys = (key, await signed_in(port, self.staff))
        people = (customers[:RICH], customers[RICH:])
        self.load = Load(self.case.name, self.seed, targets, keys, people, self.case.timeout, self.case.mix)
        for number, who in enumerate(customers):
            points = PLENTY if number < RICH else LITTLE
            given = {"customerId": who, "points": points}
            if not await self.load.do(self.load.chance, "pointsEarn", given):
                check(False, f"customer {number} got points")

    async def sign_in_again(self):
        """A jump of the clock ends what staff signed in with."""
        self.load.staff_token = await signed_in(self.instances[0].target.port, self.staff)

    def resources(self):
        """Files and memory of all instances together."""
        each = [instance.resources() for instance in self.instances]
        return tuple(map(sum, zip(*each)))

    def expect(self, holds, what):
        """Something that has to hold in this case."""
        if not holds:
            self.problems.append(what)

    def note(self, what):
        self.notes.append(what)

    def logs(self):
        return "\n".join(instance.log() for instance in self.instances)

    async def close(self):
        """Stops every instance as an operator would; the exit codes that are not 0."""
        wrong = []
        for instance in self.instances:
            if instance.has_ended():
                wrong.append(f"{instance.name} ended by itself: {instance.log()[-1000:]}")
                continue
            ended = await instance.stop()
            if ended.code != 0:
                wrong.append(f"{instance.name} ended with {ended.code}: {ended.err[-1000:]}")
        return wrong

    def abandon(self):
        """Kills what is left of a case that broke."""
        for instance in self.instances:
            if not instance.has_ended():
                instance.server.kill()

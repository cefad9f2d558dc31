"""A bad network: between the servers and PostgreSQL, and between the clients and the servers."""

import asyncio
import random
import urllib.parse

from case import case
from proxy import AfterCommit, Half, Late, Proxy
from regulars import POSTGRES

# Seconds for which the network is bad.
BAD = 10


async def behind_proxies(shop):
    """A proxy between each instance and the database, good at first."""
    port = urllib.parse.urlsplit(POSTGRES).port
    proxies = [Proxy(port) for _ in range(shop.case.instances)]
    await shop.open(through=[await proxy.begin() for proxy in proxies])
    return proxies


def generator_of(shop, number):
    return random.Random(f"{shop.seed}/{shop.case.name}/proxy {number}")


async def bad_for_a_while(shop, proxies, badness):
    """Makes each proxy bad, and good again."""
    for number, proxy in enumerate(proxies):
        proxy.badness = badness(proxy, generator_of(shop, number))
    await asyncio.sleep(BAD)
    for proxy in proxies:
        proxy.badness = None
    done = sum(proxy.done for proxy in proxies)
    shop.note(f"the network was bad {done} times")
    shop.expect(done > 0, "the network was never bad: nothing was proven")
    shop.load.over(*(instance.target for instance in shop.instances))


@case("database-late")
async def late(shop):
    """What servers and PostgreSQL tell each other comes late, and now and then by seconds."""
    proxies = await behind_proxies(shop)
    yield
    await bad_for_a_while(shop, proxies, Late)
    yield
    for proxy in proxies:
        await proxy.end()


@case("database-cut-after-commit")
async def cut_after_commit(shop):
    """PostgreSQL commits, and the connection breaks before the server hears of it."""
    proxies = await behind_proxies(shop)
    yield
    await bad_for_a_while(shop, proxies, lambda _, generator: AfterCommit(generator))
    yield
    for proxy in proxies:
        await proxy.end()


@case("database-truncated")
async def truncated(shop):
    """Messages between servers and PostgreSQL break off in their midst, either way."""
    proxies = await behind_proxies(shop)
    yield
    await bad_for_a_while(shop, proxies, lambda _, generator: Half(generator, 0.002))
    yield
    for proxy in proxies:
        await proxy.end()


@case("replies-cut")
async def replies_cut(shop):
    """Answers to clients break off in their midst, or never come."""
    await shop.open()
    proxies = [Proxy(instance.target.port) for instance in shop.instances]
    for instance, proxy in zip(shop.instances, proxies):
        instance.target.port = await proxy.begin()
    yield
    await bad_for_a_while(shop, proxies, lambda _, generator: Half(generator, 0.15, to_server=False))
    yield
    for proxy in proxies:
        await proxy.end()

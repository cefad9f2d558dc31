"""Pictures of mails, taken by a browser of what `messageTemplatePreview` answers."""

import asyncio
import pathlib
import re
import subprocess
import sys

from regulars import DIRECTORY, Database, Server, check, equal, request, run

OUT = pathlib.Path(sys.argv[1])
# Templates and languages; others may be named: `birthday.he`.
MAILS = sys.argv[2:] or ["thank_you.en", "abandoned_cart.nl", "points_expiring.he"]
SIGN_IN = "mutation ($input: StaffSignInInput!) { staffSignIn(input: $input) { tokens { accessToken } } }"
PREVIEW = """query ($template: MessageTemplateTrialInput!) {
    messageTemplatePreview(template: $template) { locale subject html text userErrors { message } } }"""
# A frame is as wide as it says, which the window of a browser need not be.
FRAMED = """<!doctype html><style>body {{ margin: 0; background: #fff }} iframe {{ border: 0; display: block }}</style>
<iframe src="{mail}" width="{width}" height="{height}" scrolling="no"></iframe>"""


def photograph(mail, width, height, into):
    framed = DIRECTORY / f"framed-{width}.html"
    framed.write_text(FRAMED.format(mail=mail.name, width=width, height=height))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"]
    window = f"--window-size={width},{height}"
    command = ["chromium", *options, window, f"--screenshot={into}", framed.as_uri()]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    check(ended.returncode == 0 and into.exists(), f"{into.name} was taken{ended.stderr[-500:] if ended.returncode else ''}")


async def proof():
    database = Database("SQLite")
    server = Server(database, "--no-worker").up()
    made = run(database, "staff", "create", "--email", "owner@example.org", "--role", "owner")
    password = re.search(r"password:?\s+(\S+)", made.out + made.err).group(1)
    _, body = await request(server.port, None, SIGN_IN, {"input": {"email": "owner@example.org", "password": password}})
    owner = body["data"]["staffSignIn"]["tokens"]["accessToken"]
    OUT.mkdir(parents=True, exist_ok=True)
    for name in MAILS:
        code, locale = name.split(".")
        _, body = await request(server.port, owner, PREVIEW, {"template": {"code": code, "locale": locale}})
        check(not body.get("errors"), f"{name} was previewed{body.get('errors') or ''}")
        preview = body["data"]["messageTemplatePreview"]
        equal(preview["userErrors"], [], f"what is wrong with {name}")
        print(f"        {preview['subject']}")
        mail = DIRECTORY / f"{name}.html"
        mail.write_text(preview["html"])
        for width, height in ((390, 600), (1280, 480)):
            photograph(mail, width, height, OUT / f"{name}-{width}.png")
    equal(server.stop().code, 0, "exit code of the stopped server")


asyncio.run(proof())

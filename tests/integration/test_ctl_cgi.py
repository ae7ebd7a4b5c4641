# SPDX-License-Identifier: MIT
"""resolve by Cookie header, and as a CGI program behind nginx's auth_request."""
import re
import subprocess

import pytest

from ctl import FORBIDDEN, NO_SESSION, USAGE, Ctl, read_line
from world import ROOT

SHOP = """
    [Service]
    Users=app
    [Roles]
    USER=*
    BUYER=
    [Cookie]
    Name=SID
    """
pytestmark = [pytest.mark.policy(shop=SHOP)]


@pytest.fixture
def ctl(broker):
    return Ctl(broker)


def cgi(ctl, cookie, *options, **more):
    """(status, headers)"""
    result = ctl("resolve", "--cgi", *options, "shop", env={} if cookie is None else {"HTTP_COOKIE": cookie}, **more)
    head, body = result.out.split("\r\n\r\n")
    assert body == ""
    headers = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in head.split("\r\n"))
    assert headers.pop("Cache-Control") == "no-store"
    return int(headers.pop("Status")), headers, result.err


def test_F6_cookie_header_from_standard_input(ctl):
    token = ctl("create", "-q", "shop", "alice").line
    for header in (f"SESSION={token}", f"a=b; SESSION={token}; c=d", f'SESSION="{token}"\n'):
        assert ctl("resolve", "--cookie", "shop", "--json=short", input=header).json["User"] == "alice"
    assert ctl("resolve", "--cookie", "--cookie-name=SID", "shop", "--json=short", input=f"SID={token}").json["User"] == "alice"
    ctl("resolve", "--cookie", "shop", input=f"OTHER={token}", status=NO_SESSION)
    ctl("resolve", "--cookie", "shop", "-r", "BUYER", input=f"SESSION={token}", status=FORBIDDEN)


def test_cgi_lets_in(ctl):
    session = ctl("create", "--json=short", "shop", "jürgen%", "-r", "USER", "-r", "BUYER").json
    status, headers, err = cgi(ctl, f"x=y; SID={session['Token']}", "--cookie-name=SID")
    assert status == 204 and err == ""
    assert headers == {"X-Websess-User": "j%C3%BCrgen%25", "X-Websess-Id": session["Id"], "X-Websess-Roles": "USER BUYER"}


def test_cgi_keeps_out(ctl):
    token = ctl("create", "-q", "shop", "alice", "-r", "USER").line
    for cookie in (None, "", "SESSION=", "SESSION=rubbish", "other=1", "SESSION=" + "x" * 300):
        assert cgi(ctl, cookie)[0] in (401, 400), cookie
    assert cgi(ctl, None)[:2] == (401, {"X-Websess-Error": "NoSession"})
    assert cgi(ctl, f"SESSION={token}", "--role=BUYER") == (403, {"X-Websess-Error": "Forbidden"}, "")
    assert cgi(ctl, f"SESSION={token}", "--max-age=1us") == (401, {"X-Websess-Error": "StepUpRequired"}, "")


def test_cgi_never_takes_trouble_for_no_session(ctl, broker, place):
    token = ctl("create", "-q", "shop", "alice", "-r", "USER").line
    status, headers, err = cgi(ctl, f"SESSION={token}", "--role=BUYR")
    assert status == 400 and "BUYR" in err
    gone = Ctl(broker, socket=place.run / "nobody.sock")
    status, headers, err = cgi(gone, f"SESSION={token}", "--timeout=100ms")
    assert status == 503 and headers == {"X-Websess-Error": "Unavailable"} and err
    assert ctl("resolve", "--cgi", status=USAGE).out == ""


def test_cgi_takes_no_input(ctl):
    """Under fcgiwrap standard input is the request's body, or a socket that nobody closes."""
    process = ctl.start("resolve", "--cgi", "shop", stdin=subprocess.PIPE)
    assert read_line(process) == "Status: 401\r\n"
    assert process.wait(30) == 0
    process.stdout.close()
    process.stdin.close()


def test_the_manual_s_script(ctl, place):
    """What websessctl(1) says to put behind fcgiwrap, run as fcgiwrap runs it."""
    manual = (ROOT / "man/websessctl.1").read_text()
    script = place.path / "websess-auth"
    script.write_text(re.search(r"^#!/bin/sh\nexec websessctl.*\n", manual, re.M)[0])
    script.chmod(0o755)
    token = ctl("create", "-q", "shop", "alice", "-r", "USER").line
    environment = ctl.environment | {"PATH": f"{place.bin}:/usr/bin:/bin", "HTTP_COOKIE": f"SESSION={token}", "WEBSESS_SERVICE": "shop"}
    for role, status in ((None, 204), ("USER", 204), ("BUYER", 403)):
        out = subprocess.run([script], env=environment | ({"WEBSESS_ROLE": role} if role else {}), capture_output=True, check=True).stdout
        assert out.startswith(f"Status: {status}\r\n".encode())

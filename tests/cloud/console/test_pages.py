"""The console over HTTP: who sees what, what a form must bring, and that nothing that users wrote is HTML."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra service is not installed")

import httpx

from deploy.cloud import serve, tokens

PAGES = (
    "",
    "/tasks",
    "/tasks/retail-rank",
    "/tasks/search-suggest",
    "/releases",
    "/releases/november",
    "/releases/november?span=6h",
    "/releases/november?span=30d",
    "/releases/november-fast",
    "/releases/november.control",
    "/releases/feed-1",
    "/rules",
    "/rules?before=3",
    "/audit",
    "/audit?before=5",
)
EVIL = "'; DROP TABLE release; -- </td><script>document.title='bad'</script><img src=x onerror=alert(1)>"
HTMX = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag."""
        self.found.append((tag, dict(attrs)))


def seen(answer: httpx.Response) -> str:
    """Return the text of a page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


# ---------------------------------------------------------------- logging in and out


def test_nobody_is_sent_to_the_log_in_and_back(person: Any, told: Any) -> None:
    """Every page asks for a log-in, which leads back to it; a wrong token is one line."""
    answer = person.get("/releases/november")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/login?next=/console/releases/november",
    )
    answer = person.log_in("headrace_wrong", next="/console/releases/november")
    assert answer.status_code == 401
    assert "Expected a token that is valid, found none." in seen(answer)
    answer = person.log_in(told[1]["viewer"], next="/console/releases/november")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/releases/november")
    assert "november" in seen(person.get("/releases/november"))
    assert person.get("/login").headers["location"] == "/console"


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/console//evil", "/console/\\evil", "/v1/check", ""]
)
def test_a_log_in_leads_nowhere_else(person: Any, told: Any, path: str) -> None:
    """Only to a plain path below the console."""
    assert person.log_in(told[1]["viewer"], next=path).headers["location"] == "/console"


def test_the_address_of_the_service_leads_here(person: Any) -> None:
    """Who types the service's address comes to the console."""
    answer = person._ask("GET", "/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")


def test_a_cookie_is_out_of_reach(as_role: Any) -> None:
    """Scripts can not read it, other sites do not send it with a form, and a log-in makes a new one."""
    person = as_role("viewer")
    before = dict(person.cookies)
    answer = person.post("/logout")
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/console"} <= {part.strip() for part in cookie.split(";")}
    assert person.cookies != before
    assert person.get("").status_code == 303
    person.cookies = {"headrace_console": "x" * 10_000}
    assert person.get("").status_code == 303


def test_a_device_may_not_look(person: Any, told: Any) -> None:
    """The token of the fleet, which is in the app, opens nothing here."""
    answer = person.log_in(told[1]["device"])
    assert (answer.status_code, "found a device's" in seen(answer)) == (403, True)


def test_a_revoked_token_ends_its_sessions(as_role: Any, told_copy: Any) -> None:
    """A second after the token is revoked its cookie is nobody's."""
    import time

    person, database = as_role("viewer"), serve.opened(told_copy[0])
    assert person.get("").status_code == 200
    found = next(who for who in tokens.valid(database).values() if who.role == "viewer")
    tokens.revoke(database, found.id, 0)
    database.close()
    for _ in range(100):
        if person.get("").status_code == 303:
            return
        time.sleep(0.05)
    pytest.fail("expected the session to end, found it going on")


# ---------------------------------------------------------------- what a form must bring


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({}, ""),
        ({}, "0" * 64),
        ({"sec-fetch-site": "cross-site"}, None),
        ({"sec-fetch-site": "same-site"}, None),
        ({"sec-fetch-site": "cross-site", "origin": "http://service"}, None),
        ({"origin": "http://evil.example"}, None),
        ({"origin": "null"}, None),
    ],
)
def test_a_form_of_another_site_is_refused(as_role: Any, headers: dict[str, str], word: str | None) -> None:
    """Without the word of the session, or from another site, nothing is done (403), logging in included."""
    person = as_role("releaser")
    word = person.word() if word is None else word
    for path in ("/releases/november/halt", "/logout", "/login", "/tasks/retail-rank/halt", "/rules/3/back"):
        answer = person.post(path, headers, form_word=word, seen="1", token="t")  # noqa: S106 - no secret
        assert (path, answer.status_code) == (path, 403)
    assert "halted" not in seen(person.get("/releases/november")).partition("Its gate")[0]


@pytest.mark.parametrize("role", ["viewer", "publisher"])
def test_who_may_not_release_sees_no_button_and_is_refused(as_role: Any, role: Any) -> None:
    """A viewer and a publisher look; the server refuses what their pages do not offer."""
    person = as_role(role)
    for path in ("/releases/november", "/tasks/retail-rank", "/rules"):
        page = person.get(path)
        assert page.status_code == 200
        assert not [
            a for tag, a in Tags(page.text).found if re.search(r"/(halt|pause|back)$", a.get("href") or "")
        ]
    for path in (
        "/releases/november/halt",
        "/releases/november/pause",
        "/tasks/retail-rank/halt",
        "/rules/3/back",
    ):
        assert person.get(path).status_code == 403
        answer = person.post(path, seen="1")
        assert (answer.status_code, f"found a {role}'s" in seen(answer)) == (403, True)
    assert "halted" not in seen(person.get("/releases/november")).partition("Its gate")[0]


def test_too_large_a_form_is_refused(as_role: Any) -> None:
    """A form has a bound in bytes and in fields."""
    person = as_role("releaser")
    assert person.post("/logout", more="x" * 5_000).status_code == 413
    assert person.post("/logout", **{f"f{n}": "1" for n in range(20)}).status_code == 400


# ---------------------------------------------------------------- what is done


def test_a_release_is_halted_after_a_question(as_role: Any) -> None:
    """The question says what follows; its form halts once, and is in the log under the releaser's name."""
    person = as_role("releaser")
    question = person.get("/releases/november/halt", **{"hx-request": "true"})
    assert "Its devices go back to what they would run without it" in seen(question)
    assert "<html" not in question.text
    answer = person.post("/releases/november/halt")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/releases/november")
    page = person.get("/releases/november")
    assert "bob halted the release november" in seen(page)
    assert not [a for tag, a in Tags(page.text).found if (a.get("href") or "").endswith("/halt")]
    assert person.post("/releases/november/halt").status_code == 303
    assert seen(person.get("/audit")).count("halted the release november") == 1
    assert person.get("/releases/none/halt").status_code == 404
    assert person.post("/releases/none/halt").status_code == 404


def test_a_gate_is_paused_and_goes_on(as_role: Any) -> None:
    """Each after a question; what is under way offers one of both."""
    person = as_role("releaser")
    assert person.get("/releases/november/pause").status_code == 200
    assert person.post("/releases/november/pause").status_code == 303
    assert "paused in stage" in seen(person.get("/releases/november"))
    assert person.post("/releases/november/resume").status_code == 303
    assert "paused in stage" not in seen(person.get("/releases/november"))
    assert person.post("/releases/feed-2/pause").status_code == 404


def test_a_task_is_killed_and_resumed(as_role: Any) -> None:
    """The kill switch, and back; who resumes by older rules is refused (412)."""
    person = as_role("releaser")
    version = int(re.findall(r"Ruleset in force (\d+)", seen(person.get("")))[0])
    assert person.post("/tasks/retail-rank/halt").status_code == 303
    assert "Resume" in seen(person.get("/tasks/retail-rank"))
    assert person.post("/tasks/retail-rank/resume", seen=str(version)).status_code == 412
    assert person.post("/tasks/retail-rank/resume").status_code == 428
    assert person.post("/tasks/retail-rank/resume", seen=str(version + 1)).status_code == 303
    assert "Halt everywhere" in seen(person.get("/tasks/retail-rank"))


def test_the_rules_go_back(as_role: Any) -> None:
    """The question says what changes; the form makes a new version of the old rules."""
    person = as_role("releaser")
    version = int(re.findall(r"Ruleset in force (\d+)", seen(person.get("")))[0])
    question = person.get("/rules/3/back")
    assert "november ends" in seen(question)
    fields = {a["name"]: a.get("value") for tag, a in Tags(question.text).found if tag == "input"}
    assert fields["seen"] == str(version)
    assert person.post("/rules/3/back", seen=str(version)).status_code == 303
    assert f"{version + 1}" in seen(person.get("/rules"))
    assert "bob went back to ruleset 3" in seen(person.get("/audit"))
    assert person.get("/rules/99/back").status_code == 404


# ---------------------------------------------------------------- what is shown


def test_every_page_is_whole_and_may_run_its_own_files_only(as_role: Any) -> None:
    """Each page has its landmarks, one heading, a label for each field, unique ids, and a strict policy."""
    person = as_role("releaser")
    version = re.search(r"/versions/\w+", person.get("/tasks/retail-rank").text)
    assert version
    for path in (*PAGES, version[0], "/nowhere", "/releases/november/halt"):
        answer = person.get(path)
        assert answer.status_code == (404 if path == "/nowhere" else 200), path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        tags = Tags(answer.text).found
        names = [tag for tag, _ in tags]
        assert [names.count(one) for one in ("h1", "main", "title", "html")][:2] == [1, 1], path
        assert not [a for _, a in tags if "style" in a or any(name.startswith("on") for name in a)], path
        scripts = [a["src"] for tag, a in tags if tag == "script"]
        assert len(scripts) == 2
        ids = [a["id"] for _, a in tags if "id" in a]
        assert len(ids) == len(set(ids)), path
        named = {a["for"] for tag, a in tags if tag == "label"}
        fields = [
            a
            for tag, a in tags
            if tag in ("input", "select") and a.get("type") != "hidden" and "hidden" not in a
        ]
        assert {a["id"] for a in fields} <= named, path
        for _, attributes in tags:
            for word in (attributes.get("aria-labelledby") or "").split():
                assert word in ids or word == "ask-title", (path, word)


def test_a_part_is_no_page(as_role: Any, person: Any) -> None:
    """What is polled comes without a frame; nobody's poll leads the whole page to the log-in."""
    for path in ("", "/releases/november", "/tasks/retail-rank"):
        answer = as_role("viewer").get(path, **{"hx-request": "true"})
        assert answer.status_code == 200
        assert "<html" not in answer.text
        assert "hx-request" in answer.headers["vary"]
    person.cookies = {}
    answer = person.get("/releases/november", **{"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/console/login?next=/console")


def test_a_release_says_where_it_stands(as_role: Any) -> None:
    """Its stage, its tests, its charts as tables too, and why a bad one was stopped."""
    page = seen(as_role("viewer").get("/releases/november"))
    assert re.search(r"stage \d of 8", page)
    assert "failing: more than control" in page
    assert "As a table" in page
    bad = seen(as_role("viewer").get("/releases/november-fast"))
    assert "stopped by its gate" in bad
    assert "the gates stopped november-fast" in bad
    assert "model: expected 24 inputs, found 23" in bad


def test_a_version_says_what_it_means(as_role: Any) -> None:
    """Features by meaning, before and after, against its parent or another that is chosen."""
    person = as_role("viewer")
    links = list(dict.fromkeys(re.findall(r"/versions/(\w+)", person.get("/tasks/retail-rank").text)))
    page = seen(person.get(f"/versions/{links[1]}"))
    assert "Features: 1 added, 1 changed, 3 unchanged." in page
    assert "before count() over 30d of purchase after count() over 14d of purchase" in page
    assert "No feature means anything else." in seen(person.get(f"/versions/{links[2]}"))
    chosen = seen(person.get(f"/versions/{links[0]}?against={links[3]}"))
    assert "Features: 2 added, 1 changed, 1 removed" in chosen
    assert person.get(f"/versions/{'0' * 64}").status_code == 404


def test_what_users_wrote_is_text(serve: Callable[..., Any]) -> None:
    """Code in texts, names of devices, tokens and features, errors and paths is shown as it is."""
    from deploy import canonical
    from deploy.cloud import kept
    from deploy.cloud.console.secret import session_key
    from deploy.cloud.console.session import begun, sealed
    from deploy.cohort import Cohort, Condition
    from deploy.rollout import Release
    from deploy.task.manifest import MODEL_FILES, Manifest
    from deploy.task.version import Version
    from deploy.wire.report import Counts, Report
    from inference.manifest import FileEntry

    with serve() as sent:
        sha256 = canonical.digest(b"x")
        sent.send(b"x", sha256)
        files = {name: FileEntry(1, sha256) for name in sorted(MODEL_FILES)}
        manifest = Manifest("rank", "a" * 64, "b" * 64, files, description=EVIL)
        publisher = next(each for each in sent.app.service.checks.tokens.values() if each.role == "publisher")
        sent.app.service.registry.publish(publisher, manifest)
        version = Version("rank", manifest.id, "a" * 64, EVIL, EVIL, 1)
        assert (
            sent("PUT", f"/v1/versions/{version.id}", "publisher", content=version.to_json()).status_code
            == 200
        )
        cohort = Cohort("s", where=(Condition("os", "in", (EVIL,)),), allow=frozenset({EVIL}))
        assert sent.put("one", Release("rank", manifest.id, "a" * 64, cohort), 1).status_code == 200
        database = sent.app.service.database
        counts = Counts(10, 1, drift={EVIL: (1, 2)})
        report = Report("0" * 32, EVIL, "rank", "one", "failed", 1 << 53, EVIL, counts)
        kept.keep(database, [report], {"one"}, sent.app.service.clock())
        evil = tokens.add(database, "viewer", EVIL, 0)
        sent.app.service.refresh()
        service = sent.app.service
        cookie = sealed(begun(evil[0].id, service.clock()), session_key(sent.folder), service.checks.tokens)
        paths = (
            "",
            "/tasks",
            "/tasks/rank",
            f"/versions/{version.id}",
            "/releases/one",
            "/rules",
            "/audit",
            f"/releases/{EVIL.replace('/', '')}",
        )
        for path in paths:
            answer = sent("GET", f"/console{path}", headers={"cookie": f"headrace_console={cookie}"})
            tags = Tags(answer.text).found
            assert len([tag for tag, _ in tags if tag == "script"]) == 2, path
            assert not [a for _, a in tags if any(name.startswith("on") for name in a)], path
            assert EVIL in seen(answer).replace("&lt;", "<") or path in ("/rules", paths[-1]), path


def test_an_empty_service_tells_the_next_command(sent: Any) -> None:
    """Without a bundle or a release each page says what to type."""
    from deploy.cloud.console.secret import session_key
    from deploy.cloud.console.session import begun, sealed

    service = sent.app.service
    who = next(each for each in service.checks.tokens.values() if each.role == "viewer")
    cookie = sealed(begun(who.id, service.clock()), session_key(sent.folder), service.checks.tokens)
    for path, command in (
        ("", "headrace publish"),
        ("/tasks", "headrace publish"),
        ("/releases", "headrace release"),
    ):
        assert command in seen(
            sent("GET", f"/console{path}", headers={"cookie": f"headrace_console={cookie}"})
        )


# ---------------------------------------------------------------- the files


def test_files_are_kept_for_ever_under_their_hash(person: Any) -> None:
    """A page names each by its hash; another hash is no file."""
    page = person.get("/login").text
    found = re.findall(r'(?:src|href)="/console(/static/[^"]+)"', page)
    assert {path.rpartition("/")[2] for path in found} == {
        "console.css",
        "console.js",
        "htmx.min.js",
        "icon.svg",
    }
    for path in found:
        answer = person.get(path)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    for path in ("/static/0000000000000000/console.css", "/static/x/nothing", "/static/x/..%2f..%2fapp.py"):
        assert person.get(path).status_code in (303, 404)


def test_htmx_is_the_pinned_copy_with_its_licence() -> None:
    """The file is that of htmx 2.0.11, byte for byte; its licence (0BSD) is beside it."""
    folder = resources.files("deploy.cloud.console") / "static"
    content = (folder / "htmx.min.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == HTMX
    licence = (folder / "htmx.LICENSE.txt").read_text("utf-8")
    assert licence.startswith("htmx 2.0.11")
    assert "Zero-Clause BSD" in licence


def test_the_script_of_the_page_may_not_evaluate(person: Any) -> None:
    """The copy of htmx is told to evaluate nothing, to add no style, and to ask this service only."""
    meta = next(a for tag, a in Tags(person.get("/login").text).found if a.get("name") == "htmx-config")
    told = json.loads(meta["content"] or "")
    assert (told["allowEval"], told["includeIndicatorStyles"], told["selfRequestsOnly"]) == (
        False,
        False,
        True,
    )


def test_the_api_does_not_take_the_cookie(as_role: Any, told_copy: tuple[Path, Any]) -> None:
    """The API takes a token only, so that no other site can send to it for a person."""
    person = as_role("releaser")
    cookie = "; ".join(f"{k}={v}" for k, v in person.cookies.items())
    ask = person._ask
    assert ask("POST", "/v1/releases/november/halt", headers={"cookie": cookie}).status_code == 401

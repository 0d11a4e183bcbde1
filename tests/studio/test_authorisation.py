"""Every route of the running studio against everybody who may knock: what is private stays as if it were not there."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
import showings
import studio_subjects
import studios
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from rushes import tiers
from rushes.serve.client import jobs
from rushes.serve.client.database import now
from rushes.serve.client.trainings import TrainingOrder, TrainingRequest
from rushes.studio import who
from rushes.studio.chat import talk
from rushes.studio.house import House
from rushes.studio.library import shelf
from rushes.studio.library.drafts import Draft
from rushes.studio.members import accounts, exports
from rushes.studio.members.accounts import ACCOUNT, READ, SCOPES, WRITE, User
from rushes.studio.settings import LimitsConfig, PlanConfig, PlansConfig
from rushes.studio.social import arena, characters, comments, posts
from rushes.studio.social.posts import PRIVATE, PUBLIC, UNLISTED, VISIBILITIES
from rushes.studio.trust.reviews import OPEN, Report, Review
from rushes.studio.wire import webhooks

SECRET, WHISPERED = "quagga", "okapi"  # what everything private says, and what those with its address alone may read
KNOCKING = ("anonymous", "wrong scope", "no scope", "other", "admin", "owner")
IN, SIGN_IN, HIDDEN, NO_KEY, NO_SCOPE = "let in", "sent to sign in", "not there", "no key", "no scope"
KEYS_ON_PAGES = (SIGN_IN, SIGN_IN, SIGN_IN)  # a key is no cookie
EXPECTED = {  # in the order of KNOCKING
    "open": (IN,) * 6,
    "nobody": (HIDDEN,) * 6,
    "seen": (HIDDEN, HIDDEN, HIDDEN, HIDDEN, IN, IN),
    "member": (*KEYS_ON_PAGES, IN, IN, IN),
    "own": (*KEYS_ON_PAGES, HIDDEN, HIDDEN, IN),
    "admins": (*KEYS_ON_PAGES, HIDDEN, IN, HIDDEN),
    "seen by members": (*KEYS_ON_PAGES, HIDDEN, IN, IN),
    "program": (NO_KEY, NO_SCOPE, NO_SCOPE, IN, IN, IN),
    "own program": (NO_KEY, NO_SCOPE, NO_SCOPE, HIDDEN, HIDDEN, IN),
    "seen by programs": (NO_KEY, NO_SCOPE, NO_SCOPE, HIDDEN, IN, IN),
    "any key": (NO_KEY, IN, IN, IN, IN, IN),
    "a session of a key's": (NO_KEY,),
}
ENDING = {"POST /sign-out", "POST /account/sessions/end", "POST /account/export"}  # the session, the last export
SHOWN = {"nobody": "open", "seen": "open", "seen by members": "member", "seen by programs": "program"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a route is sent, names of things in braces, and who gets in.

    Rows about `{post}` are asked of a private, an unlisted and a public one. `says` is the answer where letting in is
    no success, as for a form that is not filled in; `path` stands for the route's own; `scope` is what a key needs.
    """

    who: str
    form: dict[str, str] = field(default_factory=dict)
    body: dict | None = None
    path: str = ""
    scope: str = READ
    says: int = 0
    upload: str = ""

    @property
    def said(self) -> str:
        return f"{self.path} {self.form} {self.body}".replace("{}", "").replace("{'", "")


def asked(who: str, path: str = "", **sent) -> Asked:
    return Asked(who=who, path=path, **sent)


def writes(who: str, path: str = "", says: int = 0, **body) -> Asked:
    return Asked(who=who, path=path, body=body, scope=WRITE, says=says)


HOOK = {"name": "a hook", "url": "https://example.org/hook", "event_types": ["video.completed"]}
API, LEARNING = "/v1/videos/characters/{character}", "/v1/videos/characters/{learning}"
ENDPOINT, TRIED = "/v1/webhook_endpoints/{endpoint}", {"event_type": "video.completed"}
CHANGED, GIFT = {"title": "x", "visibility": PRIVATE, "rating": "everyone"}, {"amount": "1", "once": "1"}
SPOKEN = [{"role": "assistant", "content": "It is `{film}`."}, {"role": "user", "content": "is it ready?"}]
TALK = {"model": tiers.MODEL, "messages": SPOKEN}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
ROUTES: list[tuple[str, Asked]] = [
    ("GET /openapi.json", asked("open")),
    ("HEAD /openapi.json", asked("open")),
    ("GET /static", asked("open", "/static/studio.css")),
    ("GET /healthz", asked("open")),
    ("GET /", asked("open")),
    ("POST /look", asked("open", form={"look": "dark"})),
    ("GET /verify", asked("open")),
    ("POST /verify", asked("open", upload="film")),
    ("POST /api/verify", asked("open", upload="film")),
    ("GET /sign-in", asked("open")),
    ("POST /sign-in", asked("open", form={"name": "nobody", "password": "wrong"}, says=400)),
    ("GET /sign-up", asked("open")),
    ("POST /sign-up", asked("open", form={"username": "someone", "password": "short"}, says=400)),
    ("POST /sign-out", asked("open")),
    ("GET /sign-in/{token}", asked("open", "/sign-in/spent")),
    ("POST /sign-in/{token}", asked("open", "/sign-in/spent", says=410)),
    ("GET /oidc/start", asked("nobody")),
    ("GET /oidc/back", asked("open", says=400)),
    ("POST /billing/stripe", asked("nobody")),
    ("GET /feed", asked("open")),
    ("GET /@{name}", asked("open", "/@{owner}")),
    ("GET /media/{until}/{signature}/{key:path}", asked("nobody", "/media/9999999999/00ff/films/{film}/0/video.mp4")),
    ("HEAD /media/{until}/{signature}/{key:path}", asked("nobody", "/media/9999999999/00ff/films/{film}/0/video.mp4")),
    ("GET /metrics", asked("admins")),
    # posts
    ("GET /posts/{post_id}", asked("open", "/posts/{post}")),
    ("GET /p/{post_id}", asked("seen", "/p/{post}")),
    ("GET /p/{post_id}/player", asked("nobody", "/p/{post}/player")),
    ("GET /p/{post_id}/{name}.file", asked("seen", "/p/{post}/video.file")),
    ("GET /p/{post_id}/{name}.file", asked("seen", "/p/{post}/thumbnail.file")),
    ("GET /oembed", asked("nobody", "/oembed?url={base}/p/{post}")),
    ("POST /p/{post_id}/reactions", asked("seen by members", "/p/{post}/reactions", form={"kind": "like"})),
    ("POST /p/{post_id}/report", asked("seen by members", "/p/{post}/report", form={"reason": "spam"})),
    ("POST /p/{post_id}/comments", asked("seen by members", "/p/{post}/comments", form={"text": "well"})),
    ("POST /p/{post_id}/remix", asked("seen by members", "/p/{post}/remix", form={"prompt": "a boat", "once": "1"})),
    ("POST /p/{post_id}/change", asked("own", "/p/{post}/change", form=CHANGED)),
    ("POST /p/{post_id}/delete", asked("own", "/p/{post}/delete")),
    ("POST /posts", asked("own", form={"job_id": "{film}", "visibility": PRIVATE})),
    ("POST /comments/{comment_id}/delete", asked("seen by members", "/comments/{comment}/delete")),
    ("POST /api/posts", writes("own program", job_id="{film}", visibility=PRIVATE)),
    ("GET /api/posts/{post_id}", asked("seen by programs", "/api/posts/{post}")),
    ("DELETE /api/posts/{post_id}", asked("own program", "/api/posts/{post}", scope=WRITE)),
    ("POST /api/posts/{post_id}/reactions", writes("seen by programs", "/api/posts/{post}/reactions", kind="like")),
    # people
    ("POST /@{name}/ties", asked("member", "/@{somebody}/ties", form={"kind": "follow"})),
    ("POST /@{name}/report", asked("member", "/@{somebody}/report", form={"reason": "spam"})),
    ("POST /profile", asked("member", form={"name": "A name"})),
    ("POST /feed/choices", asked("member", form={"steer": "more boats"})),
    ("GET /api/feed", asked("program")),
    ("GET /arena", asked("member")),
    ("GET /arena", asked("member", "/arena?judged={battle}")),
    ("POST /arena/{battle_id}", asked("own", "/arena/{battle}", form={"choice": "left"})),
    ("GET /characters", asked("member")),
    ("POST /characters", asked("member", form={"name": "Me", "look": "a coat", "scope": "me", "agreed": "1"})),
    ("POST /characters/{character_id}/consent", asked("own", "/characters/{character}/consent", form={"scope": "me"})),
    ("POST /characters/{character_id}/revoke", asked("own", "/characters/{character}/revoke")),
    ("POST /characters/{character_id}/delete", asked("own", "/characters/{character}/delete")),
    ("POST /characters/{character_id}/best", asked("own", "/characters/{character}/best", form={"still": "0"})),
    ("POST /characters/stills", asked("member", upload="stills")),
    (
        "POST /characters/{character_id}/stills",
        asked("own", "/characters/{character}/stills", upload="stills", says=400),
    ),
    ("POST /characters/{character_id}/train", asked("own", "/characters/{character}/train", form={"word": "reynard"})),
    ("GET /characters/{character_id}/training", asked("own", "/characters/{character}/training")),
    ("POST /characters/{character_id}/train/cancel", asked("own", "/characters/{learning}/train/cancel")),
    # films
    ("GET /create", asked("member")),
    ("GET /create", asked("own", "/create?remix={film}")),
    ("POST /create", asked("member", form={"prompt": "a boat", "once": "1"})),
    ("POST /create", asked("own", form={"prompt": "a boat", "once": "1", "parent": "{film}"})),
    ("POST /create/subject", asked("member", form={"character": ""})),
    ("POST /create/estimate", asked("member", form={"prompt": "a boat"})),
    ("GET /library", asked("member")),
    ("GET /library", asked("member", "/library?q=quagga")),
    ("GET /library", asked("own", "/library?collection={collection}")),
    ("POST /library/selected", asked("member", form={"do": "zip", "film": "{film}"})),
    ("POST /library/selected", asked("own", form={"do": "delete", "film": "{film}"})),
    (
        "POST /library/selected",
        asked("own", form={"do": "remove", "film": "{film}", "from_collection": "{collection}"}),
    ),
    ("POST /library/collections/{collection_id}/delete", asked("own", "/library/collections/{collection}/delete")),
    ("GET /films/{film_id}", asked("own", "/films/{film}")),
    ("GET /films/{film_id}", asked("own", "/films/{waiting}")),
    ("GET /films/{film_id}/progress", asked("own", "/films/{waiting}/progress")),
    ("GET /films/{film_id}/live/{attempt}/{number}", asked("own", "/films/{waiting}/live/0/0")),
    ("POST /films/{film_id}/cancel", asked("own", "/films/{waiting}/cancel")),
    ("POST /films/{film_id}/delete", asked("own", "/films/{film}/delete")),
    ("POST /films/{film_id}/keep", asked("own", "/films/{film}/keep", form={"collection": "{collection}"})),
    ("POST /films/{film_id}/keep", asked("own", "/films/{mine}/keep", form={"collection": "{collection}"})),
    ("GET /chat", asked("member")),
    ("POST /chat", asked("member", form={"text": "a boat", "once": "1"})),
    ("POST /chat", asked("member", form={"text": "cancel {waiting}", "once": "2"})),
    ("GET /chat/{conversation_id}", asked("own", "/chat/{conversation}")),
    ("GET /chat/{conversation_id}/talk", asked("own", "/chat/{conversation}/talk")),
    ("POST /chat/{conversation_id}", asked("own", "/chat/{conversation}", form={"text": "a boat", "once": "1"})),
    ("POST /chat/{conversation_id}/delete", asked("own", "/chat/{conversation}/delete")),
    # accounts
    ("GET /account", asked("member")),
    ("GET /api/account", asked("program", scope=ACCOUNT)),
    ("POST /account/password", asked("member", form={"new": "short"}, says=400)),
    ("POST /account/sessions/end", asked("member", form={"only": "0" * accounts.HALF})),
    ("POST /account/delete", asked("member", form={"username": "{me}"})),
    ("POST /account/delete", asked("member", form={"username": "{somebody}"}, says=400)),
    ("GET /account/billing", asked("member")),
    ("POST /account/billing", asked("member", form={"product": "plus"}, says=404)),
    ("GET /account/export", asked("member")),
    ("POST /account/export", asked("member")),
    ("GET /account/export/{export_id}.zip", asked("own", "/account/export/{export}.zip")),
    ("GET /account/keys", asked("member")),
    ("POST /account/keys", asked("member", form={"name": "k", "scopes": READ})),
    ("POST /account/keys/{key_id}/revoke", asked("own", "/account/keys/{key}/revoke")),
    # admins
    ("GET /admin", asked("admins")),
    ("POST /admin/jobs/{job_id}/again", asked("admins", "/admin/jobs/{failed}/again")),
    ("GET /admin/users", asked("admins")),
    ("POST /admin/users", asked("admins", form={"username": "{fresh}"})),
    ("POST /admin/users/{user_id}/plan", asked("admins", "/admin/users/{user}/plan", form={"plan": "pro"})),
    ("POST /admin/users/{user_id}/suspend", asked("admins", "/admin/users/{user}/suspend", form={"suspended": "1"})),
    ("POST /admin/users/{user_id}/credits", asked("admins", "/admin/users/{user}/credits", form=GIFT)),
    ("POST /admin/users/{user_id}/link", asked("admins", "/admin/users/{user}/link")),
    ("POST /admin/users/{user_id}/delete", asked("admins", "/admin/users/{user}/delete")),
    ("GET /admin/moderation", asked("admins")),
    (
        "POST /admin/moderation/reviews/{review_id}",
        asked("admins", "/admin/moderation/reviews/{review}", form={"decision": "approved"}),
    ),
    (
        "POST /admin/moderation/reports/{report_id}",
        asked("admins", "/admin/moderation/reports/{report}", form={"decision": "upheld"}),
    ),
    # programs
    ("POST /mcp", asked("any key", body=HELLO)),
    ("GET /mcp", asked("a session of a key's")),
    ("HEAD /mcp", asked("a session of a key's")),
    ("DELETE /mcp", asked("a session of a key's")),
    ("GET /v1/models", asked("program")),
    ("GET /v1/models/{model_id}", asked("program", f"/v1/models/{tiers.MODEL}")),
    ("GET /v1/tools.json", asked("program")),
    ("POST /v1/chat/completions", asked("program", body=TALK, scope=WRITE)),
    ("POST /v1/content_provenance_checks", asked("program", upload="file")),
    ("GET /v1/videos", asked("program")),
    ("GET /v1/videos", asked("own program", "/v1/videos?after={film}")),
    ("POST /v1/videos", writes("program", prompt="a boat")),
    ("POST /v1/videos/generations", writes("program", prompt="a boat")),
    ("POST /v1/videos/edits", writes("own program", prompt="a boat", video={"id": "{film}"})),
    ("POST /v1/videos/extensions", writes("own program", prompt="a boat", video={"id": "{film}"}, seconds=1)),
    ("GET /v1/videos/{video_id}", asked("own program", "/v1/videos/{film}")),
    ("GET /v1/videos/{video_id}", asked("own program", "/v1/videos/{request}")),
    ("DELETE /v1/videos/{video_id}", asked("own program", "/v1/videos/{film}", scope=WRITE)),
    ("GET /v1/videos/{video_id}/content", asked("own program", "/v1/videos/{film}/content")),
    ("HEAD /v1/videos/{video_id}/content", asked("own program", "/v1/videos/{film}/content")),
    ("POST /v1/videos/{video_id}/remix", writes("own program", "/v1/videos/{film}/remix", prompt="a boat")),
    ("POST /v1/videos/{video_id}/cancel", asked("own program", "/v1/videos/{waiting}/cancel", scope=WRITE)),
    ("POST /v1/videos/characters", writes("own program", name="Me", video={"id": "{film}"})),
    ("GET /v1/videos/characters/{character_id}", asked("own program", "/v1/videos/characters/{character}")),
    ("DELETE /v1/videos/characters/{character_id}", writes("own program", "/v1/videos/characters/{character}")),
    (
        "POST /v1/videos/characters/{character_id}/stills",
        writes("own program", f"{API}/stills", says=400, stills=["x"]),
    ),
    ("POST /v1/videos/characters/{character_id}/train", writes("own program", f"{API}/train", word="reynard")),
    ("GET /v1/videos/characters/{character_id}/train", asked("own program", f"{LEARNING}/train")),
    ("POST /v1/videos/characters/{character_id}/train/cancel", writes("own program", f"{LEARNING}/train/cancel")),
    ("GET /v1/webhook_event_types", asked("program")),
    ("GET /v1/webhook_endpoints", asked("program")),
    ("GET /v1/webhook_endpoints", asked("own program", "/v1/webhook_endpoints?after={endpoint}")),
    ("POST /v1/webhook_endpoints", writes("program", **HOOK)),
    ("GET /v1/webhook_endpoints/{endpoint_id}", asked("own program", "/v1/webhook_endpoints/{endpoint}")),
    ("POST /v1/webhook_endpoints/{endpoint_id}", writes("own program", "/v1/webhook_endpoints/{endpoint}", name="x")),
    ("DELETE /v1/webhook_endpoints/{endpoint_id}", asked("own program", ENDPOINT, scope=WRITE)),
    ("POST /v1/webhook_endpoints/{endpoint_id}/rotate_secret", writes("own program", f"{ENDPOINT}/rotate_secret")),
    ("POST /v1/webhook_endpoints/{endpoint_id}/test", writes("own program", f"{ENDPOINT}/test", says=400, **TRIED)),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """People and what one of them owns: ids by what they are called in `ROUTES`."""

    people: dict[str, User]
    cookies: dict[str, str]
    keys: dict[str, str]
    things: dict[str, str]


class Stage:
    """The cast at hand; once somebody has changed something of its owner's, another one."""

    def __init__(self, house: House) -> None:
        self._house, self._cast = house, None

    def cast(self) -> Cast:
        """Return a cast whose things are all there."""
        self._cast = self._cast or cast(self._house)
        return self._cast

    def strike(self) -> None:
        """Forget the cast."""
        self._cast = None


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    unlimited = {"limits": LimitsConfig(requests_per_minute=0, sign_ins_per_hour=0)}
    unlimited |= {"plans": PlansConfig(free=PlanConfig())}
    with studios.opened(tmp_path_factory.mktemp("studio"), allow_private_webhooks=True, **unlimited) as house:
        studios.person(house, "founder", plan="admin")  # the last admin cannot be deleted
        yield house


@pytest.fixture(scope="module")
def stage(house: House) -> Stage:
    return Stage(house)


@pytest.fixture(scope="module")
def talking(house: House) -> Iterator[TestClient]:
    with studios.client(house) as talking:
        yield talking


def cast(house: House) -> Cast:
    """Return four people, with cookies and keys, and one of everything that the owner can own."""
    people, cookies, keys = {}, {}, {}
    with house.database.write() as session:
        for part in ("other", "admin", "owner", "somebody"):
            plan = "admin" if part == "admin" else "free"
            people[part] = accounts.create(session, f"{part}_{secrets.token_hex(5)}", None, plan=plan)
            cookies[part] = accounts.sign_in(session, people[part])
            keys[part] = accounts.make_key(session, people[part], "test", SCOPES[:3])[1]
        for scope in SCOPES[:3]:
            left = tuple(one for one in SCOPES[:3] if one != scope)
            keys[f"wrong {scope}"] = accounts.make_key(session, people["owner"], "test", left)[1]
        keys["none"] = accounts.make_key(session, people["owner"], "test", ())[1]
        things = films(house, session, people["owner"]) | belongings(house, session, people)
        things |= {f"{part}'s": showings.written(session, user, "a boat").id for part, user in people.items()}
        export = exports.begin(session, house, people["owner"])
    exports.prepare(house, export.id)
    return Cast(people=people, cookies=cookies, keys=keys, things=things | {"export": export.id})


def films(house: House, session: Session, owner: User) -> dict[str, str]:
    """Write films and posts of an owner's."""
    caller, made = showings.caller(owner), {}
    for visibility, word in ((PRIVATE, SECRET), (UNLISTED, WHISPERED), (PUBLIC, "boat")):
        job = showings.written(session, owner, f"a {word} at dusk")
        job.files = showings.shared_files(house)
        post = posts.publish(session, caller, job.id, title=f"A {word}", visibility=visibility)
        made |= {visibility: post.id, f"film {visibility}": job.id}
        comment = comments.write(session, caller, post, f"what a {word}")
        made.setdefault("comment", comment.id)
    kept = showings.written(session, owner, f"a {SECRET} alone")
    kept.files = showings.shared_files(house)
    failed = showings.written(session, owner, f"a {SECRET} lost", state=jobs.FAILED, error=f"no {SECRET}")
    waiting = house.queue.submit(session, owner.id, Draft(prompt=f"a {SECRET} soon").order(), priority=1)
    request = kept.id.replace("video_", "request_")
    return made | {"film": kept.id, "failed": failed.id, "waiting": waiting.id, "request": request}


def belongings(house: House, session: Session, people: dict[str, User]) -> dict[str, str]:
    """Write what else an owner can own, and what admins look at."""
    owner = people["owner"]
    caller, moment = showings.caller(owner), now()
    collection = shelf.gather(session, owner.id, f"every {SECRET}")
    character = characters.create(session, caller, name=SECRET, look=f"a {SECRET} in a coat")
    characters.give_stills(house, session, character, [studio_subjects.cut_out()] * 5)
    learning = characters.create(session, caller, name=SECRET, look=f"another {SECRET}")
    lesson = TrainingRequest(character=learning.id, name=SECRET, stills=(), folder=characters.folder(learning))
    house.queue.submit(session, owner.id, TrainingOrder(request=lesson), priority=1)
    conversation = talk.begin(session, caller, f"a {SECRET}, please")
    hook = HOOK | {"name": SECRET, "url": f"http://127.0.0.1:9/{SECRET}"}
    endpoint = webhooks.create(house, session, caller, **hook)
    key = accounts.make_key(session, owner, SECRET)[0]
    pair = [showings.written(session, people["somebody"], "a boat").id for _ in range(2)]
    for film in pair:
        posts.publish(session, showings.caller(people["somebody"]), film, title="A boat")
    made = {"voter": owner.id, "left": pair[0], "right": pair[1], "pair": secrets.token_hex(8), "prompt": SECRET}
    battle = arena.Battle(id=f"battle_{secrets.token_hex(8)}", **made, propensity=1.0, seed=1, created_at=moment)
    subject = showings.written(session, owner, f"a {SECRET} in doubt").id
    held = {"user_id": owner.id, "subject": subject, "kind": "film", "state": OPEN, "created_at": moment}
    review = Review(id=f"review_{secrets.token_hex(8)}", text=SECRET, rules=[], **held)
    report = Report(id=f"report_{secrets.token_hex(8)}", reason="spam", detail=SECRET, **held)
    session.add_all((battle, review, report))
    ids = {"collection": collection, "character": character, "conversation": conversation, "endpoint": endpoint}
    ids |= {"learning": learning, "key": key, "battle": battle, "review": review, "report": report, "user": owner}
    return {name: thing.id for name, thing in ids.items()}


def names(app: FastAPI) -> Iterator[str]:
    """Yield every route of an application, each of its methods for itself."""
    for one in iter_route_contexts(app.routes):
        path = one.path or getattr(one.starlette_route, "path", "")
        methods = getattr(one.starlette_route, "methods", None) if not one.path else one.methods
        yield from (f"{method} {path}" for method in methods or ("GET",))


def test_every_route_is_in_the_table(talking: TestClient) -> None:
    known = {name for name, _ in ROUTES}
    assert known ^ set(names(talking.app)) == set()


CASES = [
    pytest.param(name, one, visibility, id=f"{name} {visibility}".rstrip())
    for name, one in ROUTES
    for visibility in (VISIBILITIES if "{post}" in one.said else ("",))
]


@pytest.mark.parametrize(("name", "one", "visibility"), CASES)
def test_nobody_gets_further_than_they_may(house, stage, talking, name: str, one: Asked, visibility: str) -> None:
    kind = SHOWN.get(one.who, one.who) if visibility in (UNLISTED, PUBLIC) else one.who
    for part, expected in zip(KNOCKING, EXPECTED[kind], strict=False):
        made = stage.cast()
        things = made.things | spoken(house, made, part) | {"post": made.things.get(visibility, "")}
        answer = knock(talking, house, made, part, name, one, things)
        assert outcome(answer, one.says if expected == IN else 0) == expected, (
            part,
            answer.status_code,
            answer.text,
        )
        if expected == HIDDEN:
            false = things | {key: unreal(value) for key, value in things.items() if key in (*made.things, "post")}
            false |= {"mine": things["mine"]}
            nothing = knock(talking, house, made, part, name, one, false)
            assert said(answer, things) == said(nothing, false), part
        if expected != IN or part not in ("owner", "admin"):
            heard = f"{answer.text} {answer.headers}".lower().replace('value="quagga"', "")  # a search says itself
            assert SECRET not in heard and (WHISPERED not in heard or visibility == UNLISTED), part
        if expected == IN and not name.startswith(("GET", "HEAD")) and ("{" in one.said or name in ENDING):
            stage.strike()


def spoken(house: House, made: Cast, part: str) -> dict[str, str]:
    """Return what some names in braces stand for when `part` asks."""
    me = part if part in made.people else "owner"
    usernames = {name: user.username for name, user in made.people.items()}
    own = {"me": usernames[me], "mine": made.things[f"{me}'s"], "fresh": f"new_{secrets.token_hex(5)}"}
    return usernames | own | {"base": house.config.base_url}


def knock(
    talking: TestClient, house: House, made: Cast, part: str, name: str, one: Asked, things: dict[str, str]
) -> httpx.Response:
    """Send what a route is sent, as `part` would."""
    method, _, path = name.partition(" ")
    is_program, caller = path.startswith(("/v1/", "/api/", "/mcp")), None
    keys = made.keys | {"wrong scope": made.keys[f"wrong {one.scope}"], "no scope": made.keys["none"]}
    talking.cookies.clear()
    headers = {"accept": "application/json, text/event-stream"}
    if part in ("wrong scope", "no scope") or (is_program and part != "anonymous"):
        headers["authorization"] = f"Bearer {keys[part]}"
    elif part != "anonymous":
        talking.cookies.set(who.COOKIE, made.cookies[part])
        with house.database.read() as session:
            caller = accounts.by_cookie(session, made.cookies[part])
    sent: dict = {"headers": headers}
    if one.body is not None:
        sent["json"] = json.loads(filled(json.dumps(one.body), things))
    elif method == "POST" and not is_program:
        form = {key: filled(value, things) for key, value in one.form.items()}
        sent["data"] = {**form, "csrf": who.form_token(house, caller)}
    if one.upload:
        sent["files"] = {one.upload: ("film.webp", house.media.get(showings.shared_files(house)["thumbnail"]))}
    return talking.request(method, filled(one.path or path, things), **sent)


def filled(text: str, things: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: things[match[1]], text)


def unreal(thing: str) -> str:
    """Return an id of the same shape that nothing has."""
    return thing[:-12] + "".join("0" if digit != "0" else "1" for digit in thing[-12:])


def outcome(answer: httpx.Response, says: int) -> str:
    """Return what became of a request, as `EXPECTED` calls it; statuses of 500 and more are nothing of it."""
    status = answer.status_code
    if status in (401, 403) and answer.content[:1] == b"{":
        code = answer.json()["error"]["code"]
        return {(401, "invalid_api_key"): NO_KEY, (403, "missing_scope"): NO_SCOPE}.get((status, code), code)
    if status in (401, 403) and answer.request.method == "HEAD":
        return {401: NO_KEY, 403: NO_SCOPE}[status]
    if status == 303 and answer.headers["location"].startswith("/sign-in?next="):
        return SIGN_IN
    if status == says or (not says and status < 400):
        return IN
    return HIDDEN if status == 404 else str(status)


def said(answer: httpx.Response, things: dict[str, str]) -> tuple[str, list[str]]:
    """Return an answer without what tells two requests apart in any case: ids that were sent, and its own."""
    text = answer.text
    for thing in filter(None, things.values()):
        text = text.replace(thing, "#")
    return text, sorted(answer.headers)

"""Every module that defines tables, so that migrations see them all."""

from __future__ import annotations

from rushes.serve.client import jobs, workers
from rushes.studio import (
    accounts,
    arena,
    audit,
    billing,
    characters,
    chat,
    comments,
    deletion,
    exports,
    ledger,
    library,
    oidc,
    people,
    posts,
    provenance,
    reactions,
    reviews,
    webhooks,
)
from rushes.studio.feed import impressions

ALL = (jobs, workers, accounts, audit, billing, deletion, exports, ledger, oidc, reviews, people, posts, reactions, comments, impressions, arena, characters, chat, webhooks, library, provenance)

"""Every module that defines tables, so that migrations see them all."""

from __future__ import annotations

from rushes.serve.client import jobs, workers
from rushes.studio.chat import talk
from rushes.studio.feed import impressions
from rushes.studio.library import shelf
from rushes.studio.members import accounts, audit, deletion, exports, oidc
from rushes.studio.money import billing, ledger
from rushes.studio.social import adapters, arena, characters, comments, people, posts, reactions
from rushes.studio.trust import provenance, reviews
from rushes.studio.wire import webhooks

ALL = (
    *(jobs, workers, accounts, oidc, audit, deletion, exports, ledger, billing, shelf, talk, webhooks),
    *(posts, people, comments, reactions, arena, characters, adapters, impressions, provenance, reviews),
)

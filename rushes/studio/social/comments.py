"""Comments below a post, in the order in which they were written."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from rushes.errors import InputError
from rushes.serve.client.database import Base, now
from rushes.studio.errors import unknown
from rushes.studio.members.accounts import Caller, User
from rushes.studio.social import people
from rushes.studio.social.posts import Post
from rushes.studio.trust import reviews

LONGEST, MOST_SHOWN = 1_000, 200


class Comment(Base):
    """What somebody wrote below a post."""

    __tablename__ = "comments"

    id: Mapped[str] = mapped_column(primary_key=True)
    post_id: Mapped[str] = mapped_column(sa.ForeignKey("posts.id", ondelete="CASCADE"))
    author: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    text: Mapped[str]
    created_at: Mapped[float]
    taken_down: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (sa.Index("comments_by_post", "post_id", "created_at"),)


def write(session: Session, caller: Caller, post: Post, text: str) -> Comment:
    """Write below a post that the caller may see. Raises: InputError for an empty or overlong text, or a block."""
    text = text.strip()
    if not 1 <= len(text) <= LONGEST:
        raise InputError(f"the comment has {len(text)} characters; legal: 1 to {LONGEST}")
    if people.is_blocked(session, caller.user.id, post.author):
        raise InputError("you cannot comment here: one of you blocks the other")
    made = {"id": f"comment_{secrets.token_hex(8)}", "post_id": post.id, "author": caller.user.id}
    comment = Comment(**made, text=text, created_at=now(), taken_down=False)
    session.add(comment)
    session.flush()
    return comment


def delete(session: Session, caller: Caller, comment_id: str) -> str:
    """Delete one's own comment, or any below one's own post; return the post's id. Raises: RequestError 404."""
    found = session.execute(
        sa.select(Comment, Post.author).join(Post, Comment.post_id == Post.id).where(Comment.id == comment_id)
    ).one_or_none()
    if found is None or not (caller.user.is_admin or caller.user.id in (found[0].author, found[1])):
        raise unknown("comment", comment_id[:80])
    session.delete(found[0])
    return found[0].post_id


def take_down(session: Session, comment_id: str, is_down: bool = True) -> bool:
    """Hide a comment from everybody, or show it again; return whether there is one."""
    changed = sa.update(Comment).where(Comment.id == comment_id).values(taken_down=is_down)
    return session.execute(changed.returning(Comment.id)).first() is not None


def below(session: Session, post: Post, viewer: User | None) -> list[tuple[Comment, User]]:
    """Return the comments of a post with their authors, oldest first, less those of people hidden from `viewer`."""
    query = sa.select(Comment, User).join(User).where(Comment.post_id == post.id, Comment.taken_down.is_(False))
    is_own = Comment.author == (viewer.id if viewer else "")
    query = query.where(User.is_suspended.is_(False), sa.or_(is_own, Comment.id.not_in(reviews.hidden("comment"))))
    query = query.order_by(Comment.created_at).limit(MOST_SHOWN)
    hidden = people.circle(session, viewer.id).hidden if viewer else frozenset()
    return [(comment, author) for comment, author in session.execute(query) if author.id not in hidden]

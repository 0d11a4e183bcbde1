"""Tests the admins' page, and that it and the metrics are theirs alone."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from studios import client, opened, person, signed_in

from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job
from rushes.studio.library.drafts import Draft


def test_admins_see_what_failed_and_try_again(tmp_path: Path) -> None:
    with opened(tmp_path) as house, client(house) as talking:
        admin, _ = person(house, "boss", plan="admin")
        with house.database.write() as session:
            job = house.queue.submit(session, "user_gone", Draft(prompt="a lost film").order(), priority=1)
            ended = {"state": jobs.FAILED, "error": "its worker was lost", "ended_at": 1.0}
            session.execute(sa.update(Job).where(Job.id == job.id).values(**ended))
        csrf = signed_in(house, talking, admin)
        shown = talking.get("/admin").text
        assert "a lost film" in shown and "its worker was lost" in shown and "No worker is alive" in shown
        assert talking.post(f"/admin/jobs/{job.id}/again").status_code == 403
        assert talking.post(f"/admin/jobs/{job.id}/again", data={"csrf": csrf}).status_code == 303
        assert "its worker was lost" not in talking.get("/admin").text
        assert 'rushes_jobs{state="queued"} 1.0' in talking.get("/metrics").text


def test_others_see_nothing(tmp_path: Path) -> None:
    with opened(tmp_path, metrics_token="s3cret") as house, client(house) as talking:
        assert talking.get("/admin").status_code == 303 and talking.get("/metrics").status_code == 303
        assert talking.get("/metrics", headers={"authorization": "Bearer s3cret"}).status_code == 200
        assert talking.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 303
        csrf = signed_in(house, talking, person(house, "mara")[0])
        assert talking.get("/admin").status_code == 404 and talking.get("/metrics").status_code == 404
        assert talking.post("/admin/jobs/x/again", data={"csrf": csrf}).status_code == 404

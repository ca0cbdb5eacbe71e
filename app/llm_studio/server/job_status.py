"""Jobs as they travel."""

from __future__ import annotations

from dataclasses import asdict

from llm_studio.schema import JobStatus
from llm_studio.studio.jobs import Job


def job_status(job: Job) -> JobStatus:
    values = asdict(job)
    values.pop("version")
    return JobStatus(**values)

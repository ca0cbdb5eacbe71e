"""What Prometheus reads: the state, and the sums over requests."""

from __future__ import annotations

from llm_studio.schema import Sample
from llm_studio.server.sample_metrics import label, sample_metrics
from llm_studio.studio.serving.state import Phase
from llm_studio.studio.studio import Studio


def exposition(studio: Studio, sample: Sample | None) -> str:
    """The text format of Prometheus."""
    state = studio.store.state
    sums = studio.requests.totals
    lines = [
        "# HELP llm_studio_state Whether the engine is in this state.",
        "# TYPE llm_studio_state gauge",
        *(f'llm_studio_state{{state="{p.value}"}} {int(p is state.phase)}' for p in Phase),
        "# HELP llm_studio_profile_info The profile that is served.",
        "# TYPE llm_studio_profile_info gauge",
        f'llm_studio_profile_info{{profile="{label(state.profile or "")}"}} 1',
    ]
    for name, kind, text, value in (
        (
            "requests_running",
            "gauge",
            "Requests at the engine now.",
            sum(b.desk.running for b in studio.berths),
        ),
        (
            "requests_waiting",
            "gauge",
            "Requests waiting for a model.",
            sum(b.desk.waiting for b in studio.berths),
        ),
        ("log_lines_total", "counter", "Lines that the log took in.", studio.log.last),
        ("log_gaps_total", "counter", "Places where lines are missing.", studio.log.gaps),
        ("log_lines_missing_total", "counter", "Lines known to be missing.", studio.log.missing),
        ("requests_total", "counter", "Requests through the gateway.", sums.requests),
        ("requests_failed_total", "counter", "Requests that failed.", sums.failed),
        ("prompt_tokens_total", "counter", "Tokens read.", sums.prompt_tokens),
        ("cached_tokens_total", "counter", "Tokens found in the cache.", sums.cached_tokens),
        ("generated_tokens_total", "counter", "Tokens generated.", sums.generated_tokens),
        ("start_time_seconds", "gauge", "When the studio started.", studio.started),
    ):
        lines += [f"# HELP llm_studio_{name} {text}", f"# TYPE llm_studio_{name} {kind}"]
        lines.append(f"llm_studio_{name} {value}")
    lines += sample_metrics(sample)
    return "\n".join(lines) + "\n"

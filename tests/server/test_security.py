"""Host, Origin and key: who may come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from llm_studio.server.security import (
    LOOPBACK,
    check_host,
    check_key,
    check_origin,
    is_loopback,
    own_origins,
)

HOSTS = LOOPBACK


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "localhost:18080",
        "[::1]:8080",
        "LOCALHOST:1",
        " localhost:80 ",
        "localhost",
    ],
)
def test_loopback_names_pass_with_any_port(host: str) -> None:
    assert check_host(host, HOSTS)


@pytest.mark.parametrize(
    "host",
    [
        None, "", "evil.example:8080",
        "127.0.0.1.:8080",
        "localhost.evil.example:8080", "evil.example", "127.0.0.2:8080", "0.0.0.0:8080",
        "[::]:8080",
        "127.0.0.1:8080@evil.example", "localhost:8080, evil.example", "user@localhost:8080",
        "localhost:8080:8080", "2130706433:8080", "0x7f.1:8080", "localhost:", "localhost:٨٠٨٠",
    ],
)  # fmt: skip
def test_every_other_host_is_refused(host: str | None) -> None:
    assert not check_host(host, HOSTS)


def test_a_bare_configured_name_takes_any_port_and_no_other_name() -> None:
    allowed = HOSTS | {"box.lan", "lab.lan:9000"}
    assert check_host("box.lan", allowed)
    assert check_host("Box.LAN:1234", allowed)
    assert check_host("lab.lan:9000", allowed)
    assert not check_host("lab.lan:9001", allowed)
    assert not check_host("x.box.lan:1234", allowed)


@pytest.mark.parametrize(
    ("host", "passes"),
    [("192.168.1.5:8080", True), ("[fd00::5]:8080", True), ("10.0.0.1", True),
     ("evil.example:8080", False), ("192.168.1.5.evil.example", False), ("0x7f.1", False)],
)  # fmt: skip
def test_where_others_may_ask_addresses_pass_and_names_do_not(host: str, passes: bool) -> None:
    assert check_host(host, HOSTS, addresses=True) == passes
    assert not check_host(host, HOSTS)


@given(st.text(max_size=40))
def test_no_odd_host_passes_or_raises(host: str) -> None:
    assert check_host(host, HOSTS) == (host.strip().lower() in HOSTS)
    check_host(host, HOSTS, addresses=True)


@pytest.mark.parametrize("site", [None, "none", "same-origin", "Same-Origin"])
def test_programs_and_own_pages_pass(site: str | None) -> None:
    assert check_origin(None, site)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "null", "x"])
def test_other_sites_are_refused(site: str) -> None:
    assert not check_origin(None, site)


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        ("http://127.0.0.1:8080", True), ("HTTP://127.0.0.1:8080", True),
        ("https://127.0.0.1:8080", True), ("http://localhost:8080", False), ("null", False),
        ("", False), ("http://127.0.0.1:3000", False), ("http://127.0.0.1", False),
        ("http://evil.example", False), ("http://127.0.0.1:8080.evil.example", False),
        ("file://", False),
    ],
)  # fmt: skip
def test_an_origin_must_be_the_address_that_is_asked(origin: str, passes: bool) -> None:
    own = own_origins("127.0.0.1:8080")
    assert check_origin(origin, "same-origin", own) is passes
    assert check_origin(origin, None, own) is passes


def test_a_configured_origin_passes_though_it_is_another_site() -> None:
    assert check_origin("http://box.lan:3000", "cross-site", {"http://box.lan:3000"})


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Authorization": "Bearer secret"}, True), ({"authorization": "bearer  secret "}, True),
        ({"X-Api-Key": "secret"}, True), ({"x-api-key": " secret"}, True),
        ({"X-Api-Key": "wrong", "Authorization": "Bearer secret"}, True),
        ({}, False), ({"Authorization": "secret"}, False),
        ({"Authorization": "Basic secret"}, False),
        ({"X-Api-Key": ""}, False), ({"X-Api-Key": "secret2"}, False),
        ({"X-Api-Key": "secre"}, False),
        ({"Authorization": "Bearer "}, False), ({"Cookie": "secret"}, False),
        ({"X-Api-Key": "sécret\udcff"}, False),
    ],
)  # fmt: skip
def test_the_key_in_every_form(headers: dict[str, str], passes: bool) -> None:
    assert check_key(headers, "secret") is passes
    assert check_key(CIMultiDict(headers), "secret") is passes


def test_no_key_is_not_the_empty_key() -> None:
    assert not check_key({"X-Api-Key": ""}, "")
    assert not check_key({}, "")


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("[::1]", True),
        ("localhost", True), ("0.0.0.0", False), ("::", False), ("", False),
        ("192.168.1.5", False), ("box.lan", False),
    ],
)  # fmt: skip
def test_loopback_addresses(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback

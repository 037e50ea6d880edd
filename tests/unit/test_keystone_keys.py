"""The keys of keystone on several hosts: which ones count, in which order a rotation writes, and what is refused."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.filter import keystone_keys as filters
from ansible_collections.grove.wsgi.plugins.module_utils.openstack import key_repository as keys_of
from ansible_collections.grove.wsgi.plugins.module_utils.openstack.key_repository import (
    CREDENTIAL,
    FERNET,
    REMOVE,
    WAIT,
    WRITE,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.keystone_keys import (
    COMPLETE,
    ROTATE,
    SPREAD,
    Host,
    Hosts,
    Plan,
    is_older,
)

NAMES = ["api1", "api2", "api3"]
# A set before a rotation, the states that a rotation passes, and the set after it.
BEFORE = {0: "c", 1: "a", 2: "b"}
SIGNING = {0: "c", 1: "a", 2: "b", 3: "c"}
STAGED = {0: "d", 1: "a", 2: "b", 3: "c"}
AFTER = {0: "d", 2: "b", 3: "c"}
PASSED = [BEFORE, SIGNING, STAGED, AFTER]
LATER = {0: "e", 3: "c", 4: "d"}
FOREIGN = {0: "z", 1: "x", 2: "y"}
STORED = {0: "n", 1: "m"}


def host(fernet: Mapping[int, str], credential: Mapping[int, str] = STORED, *, is_open: bool = False) -> Host:
    return Host({FERNET: fernet, CREDENTIAL: credential}, is_open)


def plan(*found: Host | None) -> Plan:
    return Hosts(NAMES, {name: one for name, one in zip(NAMES, found, strict=True) if one}).plan()


def rotation(*found: Mapping[int, str] | None) -> Plan:
    read = {name: host(keys) for name, keys in zip(NAMES, found, strict=True) if keys is not None}
    return Hosts(NAMES, read).rotation()


def test_equal_hosts_change_nothing() -> None:
    made = plan(host(BEFORE), host(BEFORE), host(BEFORE))
    assert (made.changing, made.problems) == ((), ())


def test_the_first_of_fresh_hosts_makes_the_keys() -> None:
    fresh = host({}, {})
    made = plan(fresh, fresh, fresh)
    assert made == Plan({FERNET: "api1", CREDENTIAL: "api1"}, ("api1", "api2", "api3"))


def test_a_fresh_host_gets_the_keys_of_the_others_and_comes_first_or_last() -> None:
    fresh, other = host({}, {}), host(BEFORE)
    assert plan(fresh, other, other) == Plan({FERNET: "api2", CREDENTIAL: "api2"}, ("api1",))
    assert plan(other, other, fresh) == Plan({FERNET: "api1", CREDENTIAL: "api1"}, ("api3",))
    assert plan(fresh, other, fresh) == Plan({FERNET: "api2", CREDENTIAL: "api2"}, ("api1", "api3"))


@pytest.mark.parametrize(
    "kept", list(itertools.chain.from_iterable(itertools.combinations((1, 2), n) for n in (0, 1, 2)))
)
def test_a_first_copy_that_was_interrupted_is_made_again(kept: tuple[int, ...]) -> None:
    begun = {number: BEFORE[number] for number in kept}
    made = plan(host(begun, {}), host(BEFORE), host(BEFORE))
    assert made == Plan({FERNET: "api2", CREDENTIAL: "api2"}, ("api1",))


def test_keys_that_were_begun_on_the_first_host_are_completed_there() -> None:
    made = plan(host({1: "a"}, {}), host({}, {}), host({}, {}))
    assert made == Plan({FERNET: "api1", CREDENTIAL: "api1"}, ("api1", "api2", "api3"))
    whole = keys_of.made({1: "a"})
    assert whole[1] == "a"
    assert sorted(whole) == [0, 1]


@pytest.mark.parametrize(("older", "newer"), list(itertools.combinations([*PASSED, LATER], 2)))
def test_the_more_advanced_set_wins(older: dict[int, str], newer: dict[int, str]) -> None:
    if older is BEFORE and newer is LATER:
        # Two rotations: the key that tells that both belong together is still there.
        assert newer[3] == older[0]
    assert is_older(older, newer)
    assert not is_older(newer, older)
    made = plan(host(older), host(newer), host(older))
    assert made == Plan({FERNET: "api2", CREDENTIAL: "api2"}, ("api1", "api3"))


def test_keys_of_another_set_up_are_refused_by_the_names_of_the_hosts() -> None:
    made = plan(host(BEFORE), host(FOREIGN), host(BEFORE))
    assert not made.changing
    (problem,) = made.problems
    assert "api1, api3 have 0 (c), 1 (a), 2 (b); api2 has 0 (z), 1 (x), 2 (y)" in problem
    assert "mv /var/lib/keystone/fernet-keys /var/lib/keystone/fernet-keys.former" in problem
    # The same staged key alone is no relation, and neither are three rotations, whose keys are all gone.
    assert plan(host(BEFORE), host({0: "c", 1: "x", 2: "y"}), None).problems
    assert plan(host(BEFORE), host({0: "g", 5: "e", 6: "f"}), None).problems
    # Two hosts that were rotated each by itself have another staged key.
    assert plan(host(AFTER), host({**AFTER, 0: "x"}), None).problems


def test_credential_keys_that_differ_are_refused_even_after_a_rotation() -> None:
    made = plan(host(BEFORE, STORED), host(BEFORE, {0: "o", 1: "m", 2: "n"}), host(BEFORE, STORED))
    (problem,) = made.problems
    assert "api1, api3 have" in problem
    assert "can be read with this key alone" in problem
    assert plan(host(BEFORE, STORED), host(BEFORE, {1: "m"}), host(BEFORE, {})).changing == ("api2", "api3")


def test_a_host_without_one_kind_of_keys_gets_it_from_another_one() -> None:
    made = plan(host(AFTER, {}), host(BEFORE, STORED), host(BEFORE, STORED))
    assert made == Plan({FERNET: "api1", CREDENTIAL: "api2"}, tuple(NAMES))


def test_keys_that_others_may_read_change_their_modes() -> None:
    assert plan(host(BEFORE), host(BEFORE, is_open=True), host(BEFORE)).changing == ("api2",)


def test_no_keys_are_made_while_a_host_is_not_reached() -> None:
    (problem, _) = plan(host({}, {}), None, None).problems
    assert "api1: found no keys in /var/lib/keystone/fernet-keys, and the run does not reach api2, api3" in problem
    assert plan(host({}, {}), host(BEFORE), None).changing == ("api1",)
    assert plan(host(BEFORE), None, None) == Plan({FERNET: "api1", CREDENTIAL: "api1"})
    assert plan(None, None, None) == Plan()


def test_a_rotation_begins_on_the_first_host() -> None:
    assert rotation(BEFORE, BEFORE, BEFORE) == Plan({FERNET: "api1"}, ("api2", "api3"), action=ROTATE)


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("reached", PASSED[1:])
@pytest.mark.parametrize("others", PASSED)
def test_a_rotation_that_was_interrupted_is_completed_whatever_it_has_reached(
    reached: dict[int, str], others: dict[int, str], position: int
) -> None:
    found = [others] * 3
    found[position] = reached
    made = rotation(*found)
    newest = max((reached, others), key=PASSED.index)
    source = NAMES[found.index(newest)]
    assert made.sources == {FERNET: source}
    assert not made.problems
    rest = {name for name, keys in zip(NAMES, found, strict=True) if keys != newest}
    if newest is SIGNING:
        assert made.action == COMPLETE
        assert set(made.changing) == set(NAMES) - {source}
    elif rest:
        assert (made.action, set(made.changing)) == (SPREAD, rest)
    else:
        assert made.action == ROTATE


def test_a_rotation_needs_every_host() -> None:
    (problem,) = rotation(BEFORE, None, BEFORE).problems
    assert "does not reach api2" in problem
    (problem,) = rotation(BEFORE, BEFORE, {}).problems
    assert "api3: found no keys" in problem
    assert "api2 has 0 (z)" in rotation(BEFORE, FOREIGN, BEFORE).problems[0]


def test_a_rotation_makes_the_staged_key_the_newest() -> None:
    after = keys_of.rotated(BEFORE, 3)
    assert {number: after[number] for number in (2, 3)} == {2: "b", 3: "c"}
    assert sorted(after) == [0, 2, 3]
    assert len(base64.urlsafe_b64decode(after[0])) == 32
    assert sorted(keys_of.rotated(BEFORE, 5)) == [0, 1, 2, 3]
    # The one that was interrupted gets its staged key alone.
    for interrupted in (SIGNING, {number: key for number, key in SIGNING.items() if number}):
        completed = keys_of.rotated(interrupted, 3)
        assert sorted(completed) == [0, 2, 3]
        assert completed[3] == "c"
        assert completed[0] not in interrupted.values()
    assert sorted(keys_of.rotated({0: "a"}, 3)) == [0, 1]


def test_the_key_that_makes_tokens_is_written_first_and_the_older_ones_go_last() -> None:
    assert keys_of.steps(BEFORE, AFTER) == [(WRITE, 3), (WAIT, 0), (WRITE, 0), (REMOVE, 1)]
    assert keys_of.steps(SIGNING, AFTER) == [(WRITE, 0), (REMOVE, 1)]
    assert keys_of.steps({}, BEFORE) == [(WRITE, 1), (WRITE, 2), (WRITE, 0)]
    assert keys_of.steps(BEFORE, LATER) == [(WRITE, 3), (WRITE, 4), (WAIT, 0), (WRITE, 0), (REMOVE, 1), (REMOVE, 2)]
    assert keys_of.steps(AFTER, AFTER) == []


def states(present: Mapping[int, str], target: Mapping[int, str]) -> list[dict[int, str]]:
    """Return every state that a host passes, with the first and the last one."""
    passed = [dict(present)]
    for what, number in keys_of.steps(present, target):
        state = dict(passed[-1])
        if what == WRITE:
            state[number] = target[number]
        elif what == REMOVE:
            del state[number]
        passed.append(state)
    return passed


@pytest.mark.parametrize("hosts", [2, 3])
def test_every_host_accepts_each_token_that_any_host_makes_at_every_moment(hosts: int) -> None:
    """Of a rotation, and of one that was interrupted anywhere on any host and is completed."""
    after = keys_of.rotated(BEFORE, 3)
    first = states(BEFORE, after)
    moments = [(state, *[BEFORE] * (hosts - 1)) for state in first]
    moments += [(after, *rest) for rest in itertools.product(first, repeat=hosts - 1)]
    for moment in moments:
        for issuer, acceptor in itertools.product(moment, repeat=2):
            assert issuer[max(issuer)] in acceptor.values()
        # The next run of rotate_fernet, and of site, find a way from here.
        names = NAMES[:hosts]
        read = {name: host(keys) for name, keys in zip(names, moment, strict=True)}
        for decided in (Hosts(names, read).rotation(), Hosts(names, read).plan()):
            assert not decided.problems
            source = moment[names.index(decided.sources[FERNET])]
            target = keys_of.rotated(source, 3) if decided.action == COMPLETE else source
            ends = [states(keys, target) for keys in moment]
            for later in itertools.product(*ends):
                for issuer, acceptor in itertools.product(later, repeat=2):
                    assert issuer[max(issuer)] in acceptor.values()


def result(**found: Mapping[int, str]) -> dict[str, Any]:
    keys = {FERNET: found["fernet"], CREDENTIAL: found.get("credential", {})}
    return {"keys": {name: {str(number): text for number, text in one.items()} for name, one in keys.items()}}


def test_the_filters_read_what_hosts_have_registered() -> None:
    hostvars: dict[str, dict[str, Any]] = {
        "api1": {"__keystone_keys_read": {**result(fernet=BEFORE, credential=STORED), "open": False}},
        "api2": {"__keystone_keys_read": {**result(fernet={}), "open": False}},
        "api3": {"__keystone_keys_read": {"unreachable": True}},
    }
    made = filters.keystone_keys_plan(NAMES, hostvars, "/srv/state/keystone")
    assert (made["sources"], made["changing"]) == ({FERNET: "api1", CREDENTIAL: "api1"}, ("api2",))
    (problem,) = filters.keystone_rotation_plan(NAMES, hostvars, "/srv/state/keystone")["problems"]
    assert "api3" in problem
    results = [{"item": "api1", "material": {FERNET: {"0": "c"}, CREDENTIAL: {"0": "n"}}}]
    assert filters.keystone_keys_material(results, made["sources"]) == results[0]["material"]
    assert filters.keystone_keys_material(results, {FERNET: "api1"}) == {FERNET: {"0": "c"}}
    assert filters.keystone_keys_material([{"item": "api1", "skipped": True}], made["sources"]) == {}


def test_a_backup_gives_keys_to_hosts_that_have_none() -> None:
    contents = {f"{FERNET}/0": "Yw==", f"{FERNET}/1": "YQ==", f"{CREDENTIAL}/0": "bg=="}
    fresh: dict[str, Any] = {"__keystone_keys_read": {**result(fernet={}), "open": False}}
    everything = {FERNET: {"0": "c", "1": "a"}, CREDENTIAL: {"0": "n"}}
    assert filters.keystone_keys_of_backup(contents, NAMES[:2], {"api1": fresh, "api2": fresh}) == everything
    newer = {"__keystone_keys_read": {**result(fernet=BEFORE), "open": False}}
    some = filters.keystone_keys_of_backup(contents, NAMES[:2], {"api1": fresh, "api2": newer})
    assert some == {CREDENTIAL: {"0": "n"}}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, []),
        (None, []),
        ({"fernet_tokens": {"max_active_keys": 3}, "token": {"provider": "fernet"}}, []),
        ({"fernet_tokens": {"max_active_keys": "2"}}, ["max_active_keys: found 2;"]),
        ({"fernet_tokens": {"max_active_keys": "many"}}, ["max_active_keys: found many;"]),
        (
            {"credential": {"key_repository": "/etc/keys"}},
            ["keystone_config.credential.key_repository: found /etc/keys"],
        ),
        ({"token": {"provider": "jws"}}, ["keystone_config.token.provider: found jws"]),
    ],
)
def test_options_that_do_not_fit_several_hosts_are_refused(config: Any, expected: Sequence[str]) -> None:
    problems = filters.keystone_config_problems(config, NAMES)
    assert len(problems) == len(expected)
    assert all(
        text in problem and "api1, api2, api3" in problem for text, problem in zip(expected, problems, strict=True)
    )


def test_the_number_of_keys_that_stay() -> None:
    assert filters.keystone_active_keys({}) == 3
    assert filters.keystone_active_keys({"fernet_tokens": {"max_active_keys": "5"}}) == 5

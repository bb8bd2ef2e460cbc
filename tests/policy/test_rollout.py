"""Who is on the new arm, and when it turns itself off."""

from sidecar.policy.config import Abort, Rollout
from sidecar.policy.rollout import LEAST, Arm, chosen

KEYED = Rollout(format="envelope-v2", percent=10.0, key="header:x-user")


def user(number: int) -> list[tuple[bytes, bytes]]:
    return [(b"x-user", b"user-%d" % number)]


def test_a_share_of_the_users_is_chosen() -> None:
    share = sum(chosen(KEYED, user(number), 0.0) for number in range(10_000))
    assert 900 < share < 1100


def test_a_user_stays_on_an_arm_whatever_chance_says() -> None:
    for number in range(100):
        assert len({chosen(KEYED, user(number), chance / 10) for chance in range(10)}) == 1


def test_who_was_chosen_stays_chosen_when_the_share_grows() -> None:
    more = Rollout(format="envelope-v2", percent=20.0, key="header:x-user")
    assert all(chosen(more, user(number), 0.0) for number in range(1000) if chosen(KEYED, user(number), 0.0))


def test_chance_decides_without_a_key() -> None:
    assert chosen(KEYED, [], 0.099) and not chosen(KEYED, [], 0.101)


def test_none_and_all() -> None:
    assert not chosen(Rollout(), user(1), 0.0)
    assert chosen(Rollout(format="openai", percent=100.0), [], 0.999999)


def test_an_arm_that_fails_turns_itself_off_once() -> None:
    arm = Arm(Abort(failure_rate=5.0, window=300.0))
    said = [arm.ended(float(number), failed=number == LEAST - 1) for number in range(LEAST)]
    assert said == [False] * (LEAST - 1) + [True]
    assert arm.off and not arm.ended(99.0, failed=True)


def test_a_few_streams_are_no_rate() -> None:
    arm = Arm(Abort(failure_rate=5.0, window=300.0))
    assert not any(arm.ended(float(number), failed=True) for number in range(LEAST - 1))


def test_failures_are_forgotten_with_their_window() -> None:
    arm = Arm(Abort(failure_rate=50.0, window=10.0))
    for _ in range(LEAST - 1):
        arm.ended(0.0, failed=True)
    assert not any(arm.ended(20.0 + number / 100, failed=False) for number in range(LEAST))
    assert not arm.off


def test_without_a_rate_nothing_is_counted() -> None:
    arm = Arm(Abort())
    assert not any(arm.ended(float(number), failed=True) for number in range(1000))


def test_what_is_counted_is_bounded() -> None:
    arm = Arm(Abort(failure_rate=99.0, window=1e9))
    for number in range(30_000):
        arm.ended(float(number), failed=number % 2 == 0)
    assert not arm.off and len(arm._streams) <= 10_000

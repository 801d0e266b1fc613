"""What a scenario fails with."""


class Failure(Exception):
    """Something the scenario expected did not come true; the text says what was expected and what was seen."""


def expect(condition: object, expected: str, seen: object = None) -> None:
    """Fails the scenario unless `condition` holds."""
    if not condition:
        raise Failure(f"expected {expected}" + ("" if seen is None else f"; saw {seen!s}"))

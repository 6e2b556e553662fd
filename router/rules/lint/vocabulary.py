"""Words that the sources' own attributes are made of: another one is asked for in vain."""

from __future__ import annotations

from router.config.problems import did_you_mean

WORDS = {
    "verdict": ("pass", "review", "block"),
    "verdictreason": ("failed", "missing"),
    "ciformat": ("xml", "json"),
}
"""All that the sources write into these attributes (`router.sources.verdict`, `router.sources.tencent`)."""

CLOUDS = ("imm:", "com.tencentcloud.ci.")
"""What the types of events begin with to which the sources give these attributes."""


def is_of_cloud(type_: object) -> bool:
    """Whether an event's type is one of those whose attributes are the sources' own."""
    return isinstance(type_, str) and type_.lower().startswith(CLOUDS)


def doubt_of_word(attribute: str, word: str) -> tuple[str, str] | None:
    """What is doubtful about an attribute's value, and which may be meant ("" if none is near).

    None for nothing.
    """
    words = WORDS.get(attribute)
    if words is None or word in words:
        return None
    what = f"{attribute!r} is never {word!r}, it is {', '.join(words[:-1])} or {words[-1]}"
    return what, did_you_mean(word, words)

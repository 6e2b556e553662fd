"""Whether a JSON text may hold what is more than is read: numbers beyond a double, and deep nesting.

It looks at every byte: where it is compiled (`modesty.pxd`), that costs a tenth of what reading the text
costs; where it is not, many times as much.
"""

from __future__ import annotations


def is_modest(text: bytes, most: int) -> bool:
    """Whether it is certain that no number reaches 1e308, and that nothing nests `most` levels deep.

    Args:
        text: JSON text. What stands in its strings counts, too.
        most: how many brackets must not be opened.
    """
    marks, size = text, len(text)
    lower, e, brace, minus, zero, ten = 0x20, 0x65, 0x7B, 0x2D, 0x30, 10
    large = opened = 0
    for at in range(1, size - 3):
        # An exponent of three digits, or of two and a plus: the letter, in whichever case, among digits.
        large |= (
            ((marks[at] | lower) == e)
            & ((marks[at - 1] ^ zero) < ten)
            & (marks[at + 1] != minus)
            & ((marks[at + 2] ^ zero) < ten)
            & ((marks[at + 3] ^ zero) < ten)
        )
    for at in range(100, size, 100):
        # 200 digits in a row: less of them make no 1e308 with an exponent of two.
        large |= ((marks[at - 100] ^ zero) < ten) & ((marks[at] ^ zero) < ten)
    for at in range(size):
        opened += (marks[at] | lower) == brace  # or a square one, which is that much smaller
    return not large and opened < most

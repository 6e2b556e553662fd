"""What the three clouds send: their documents' own examples, and a few variants derived from them.

`alibaba/`, `baidu/` and `tencent/` hold the documents' bytes as they are printed, faults included;
`derived/` under each holds what the documents do not show (its README.md says what was changed).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

CLOUDS = ("alibaba", "baidu", "tencent")

_PATHS = {
    "alibaba": "/alibaba",
    "baidu": "/baidu",
    "baidu/2018.json": "/?result",
    "baidu/2025.json": "/v1/bucketName_example/?result",
    "baidu/derived/put-object.json": "/?event",
    "tencent": "/tencent",
}
"""Where the document says that a sample is sent to; else where its source listens."""

_CONTENT_TYPES = {
    ".json": "application/json; charset=utf-8",
    ".xml": "application/xml",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as a cloud sends it.

    Attributes:
        name: the file's name below the cloud's folder, such as `ocr.xml` or `derived/failed.xml`.
        path: where it is posted to, query included.
        content_type: the Content-Type it is posted with.
    """

    name: str
    path: str
    content_type: str
    body: bytes

    @property
    def derived(self) -> bool:
        """Whether it is a variant that the cloud's document does not show."""
        return self.name.startswith("derived/")


def load(cloud: str) -> tuple[Sample, ...]:
    """A cloud's samples by name, the documents' own before the derived ones.

    Raises:
        ValueError: there is no such cloud in `CLOUDS`.
    """
    if cloud not in CLOUDS:
        raise ValueError(f"no samples of {cloud!r}, only of {', '.join(CLOUDS)}")
    folder = files(__name__) / cloud
    return (*_samples(cloud, folder, ""), *_samples(cloud, folder / "derived", "derived/"))


def sent(cloud: str, name: str, body: bytes) -> Sample:
    """A body of one's own, as this cloud would send it to where its source listens."""
    ending = ".xml" if body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<") else ".json"
    return Sample(name, _PATHS[cloud], _CONTENT_TYPES[ending], body)


def _samples(cloud: str, folder: Traversable, prefix: str) -> tuple[Sample, ...]:
    found = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else ():
        ending = file.name[file.name.rfind(".") :]
        if content_type := _CONTENT_TYPES.get(ending):
            name = prefix + file.name
            path = _PATHS.get(f"{cloud}/{name}", _PATHS[cloud])
            found.append(Sample(name, path, content_type, file.read_bytes()))
    return tuple(found)

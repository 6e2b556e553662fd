"""Whose signatures count as Alibaba's: certificates from where Alibaba keeps them, or from the configuration.

A certificate that a push names is believed because of where it is kept, over HTTPS; no authority has signed
it. The hosts look like buckets of its object storage, whose names anybody may take
(`evil-eventbridge.oss-accelerate.aliyuncs.com`): so whole addresses are compared, with an exact list of
regions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from router.signatures.base import Reason, SignatureError
from router.sources.alibaba_learnt import Learnt
from router.sources.base import Wanted

_CHINA = (
    "hangzhou",
    "shanghai",
    "qingdao",
    "beijing",
    "zhangjiakou",
    "huhehaote",
    "wulanchabu",
    "shenzhen",
    "heyuan",
    "guangzhou",
    "chengdu",
    "hongkong",
    "shanghai-finance-1",
    "beijing-finance-1",
    "shenzhen-finance-1",
)
_ASIA = (
    "northeast-1",
    "northeast-2",
    "southeast-1",
    "southeast-3",
    "southeast-5",
    "southeast-6",
    "southeast-7",
)

REGIONS = frozenset(
    (
        *(f"cn-{name}" for name in _CHINA),
        *(f"ap-{name}" for name in _ASIA),
        *("eu-central-1", "eu-west-1", "us-east-1", "us-west-1"),
    )
)
"""Where EventBridge is: "Supported regions" of its documentation, and the endpoints that its SDK knows."""

_NAME = r"/x509_public_certificate[A-Za-z0-9_.-]{0,64}\.pem"
_EVENTBRIDGE = re.compile(r"https://([a-z0-9-]+)-eventbridge\.oss-accelerate\.aliyuncs\.com" + _NAME)
_SMQ = re.compile(r"https?://(mnstest\.oss-cn-hangzhou\.aliyuncs\.com" + _NAME + ")")
"""The one bucket that SMQ's documentation names. Its samples have `http`; what is fetched is `https`."""

SAFE_BITS = 1024
"""What a key must have for its signature alone to count. Shorter ones have been factored (RSA-512: 1999).

The certificate that SMQ signed with in 2023 holds 512 bits, and had ended in 2016."""


Verify = Callable[[Sequence[RSAPublicKey]], None]
"""Raises SignatureError where none of these keys made a push's signature."""


@dataclass(frozen=True, slots=True)
class _Certificate:
    """A certificate's key, and from when to when it counts, in seconds since the epoch."""

    key: RSAPublicKey
    begins: float
    ends: float


def read_pem(content: bytes) -> tuple[_Certificate, ...]:
    """The certificates of a PEM that hold RSA keys.

    Raises:
        ValueError: it holds none with an RSA key.
    """
    try:
        found = [
            _Certificate(key, one.not_valid_before_utc.timestamp(), one.not_valid_after_utc.timestamp())
            for one in x509.load_pem_x509_certificates(content)
            if isinstance(key := one.public_key(), RSAPublicKey)
        ]
    except (UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ValueError(str(error)) from None
    if not found:
        raise ValueError("no certificate with an RSA key")
    return tuple(found)


class Certificates:
    """The keys that may sign.

    A certificate that has ended, or whose key does not fit, is fetched once more if that was not done in the
    last five minutes: its owner may have put another one in its place.

    Args:
        pinned: a PEM that holds the only ones that count, whatever a push names and whatever their dates say.
        regions: those whose certificates count.
    """

    def __init__(self, pinned: bytes | None = None, regions: Collection[str] = REGIONS) -> None:
        self._pinned = None if pinned is None else tuple(one.key for one in read_pem(pinned))
        self._regions = regions
        self._learnt: Learnt[tuple[_Certificate, ...]] = Learnt()

    def hold_push(self, url: str, now: float, verify: Verify) -> None:
        """Verify a push of EventBridge's with the certificate that it names.

        Args:
            url: where it says that its certificate is.
            now: seconds since the epoch.
            verify: is given the certificate's keys.

        Raises:
            SignatureError: it is not one of EventBridge's, or does not count now, or `verify` says so.
            Wanted: it is not known yet, or another one may be there by now.
        """
        if self._pinned is not None:
            verify(self._pinned)
            return
        named = _EVENTBRIDGE.fullmatch(url)
        if named is None or named[1] not in self._regions:
            raise SignatureError(
                Reason.UNFIT, "the certificate it names is not kept where EventBridge keeps its certificates"
            )
        found = self._at(url, now, 401)
        if not all(one.begins <= now <= one.ends for one in found):
            self._once_more(url, now)
            raise SignatureError(
                Reason.UNFIT,
                "the certificate it names does not count today; if it is Alibaba's in spite of that, pin it "
                "with `certificate`",
            )
        self._hold(url, now, self._long_enough(found, 401, beside_token=False), verify)

    def hold_message(self, url: str, now: float, verify: Verify, *, beside_token: bool) -> None:
        """Verify SMQ's push likewise, whatever its certificate's dates: SMQ's own had ended years before.

        Args:
            url: where it says that its certificate is.
            now: seconds since the epoch.
            verify: is given the certificate's keys.
            beside_token: whether the push had a token as well, so that a weak key does no harm.

        Raises:
            SignatureError: it is not one of SMQ's, or too weak, or `verify` says so.
            Wanted: it is not known yet, or another one may be there by now.
        """
        if self._pinned is not None:
            verify(self._pinned)
            return
        named = _SMQ.fullmatch(url)
        if named is None:
            raise SignatureError(
                Reason.UNFIT, "the certificate it names is not kept where SMQ keeps its certificates", 403
            )
        kept = f"https://{named[1]}"
        keys = self._long_enough(self._at(kept, now, 403), 403, beside_token=beside_token)
        self._hold(kept, now, keys, verify)

    def _hold(self, url: str, now: float, keys: Sequence[RSAPublicKey], verify: Verify) -> None:
        try:
            verify(keys)
        except SignatureError as error:
            if error.reason is Reason.WRONG:
                self._once_more(url, now)
            raise
        self._learnt.prove(url)

    def _long_enough(
        self, found: Sequence[_Certificate], status: int, *, beside_token: bool
    ) -> Sequence[RSAPublicKey]:
        keys = [one.key for one in found if beside_token or one.key.key_size >= SAFE_BITS]
        if not keys:
            raise SignatureError(
                Reason.UNFIT,
                f"its certificate has a key of only {found[0].key.key_size} bits, which others can break; "
                "give the source a token as well, or pin the certificate with `certificate`",
                status,
            )
        return keys

    def _at(self, url: str, now: float, status: int) -> Sequence[_Certificate]:
        found = self._learnt.at(url)
        if found is None:
            raise Wanted(url, partial(self._learn, url, now))
        if not found:
            self._learnt.forget(url)  # the next one to ask has it fetched again
            raise SignatureError(Reason.UNFIT, "what it names as its certificate is none", status)
        return found

    def _once_more(self, url: str, now: float) -> None:
        if self._learnt.is_due(url, now):
            raise Wanted(url, partial(self._learn, url, now))

    def _learn(self, url: str, now: float, content: bytes) -> None:
        try:
            found = read_pem(content)
        except ValueError:
            found = self._learnt.at(url) or ()  # what served until now is better than nothing
        self._learnt.learn(url, found, now)

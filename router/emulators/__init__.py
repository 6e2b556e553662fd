"""The clouds as senders, for local work: their shapes, signatures and retries, without the clouds.

`schedule` knows when each of them sends again, `alibaba`, `baidu` and `tencent` what they put on the wire,
`fresh` makes an event of its own of a sample, `sending` does it all over HTTP. `jobs/` is the part of
Tencent CI that takes OCR jobs and calls back.
"""

"""The part of Tencent CI that takes OCR jobs (`POST /jobs`) and calls back when they are done.

`submission` reads a request by the document's rules, `told` writes what CI says of a job, both pure; `api` is
the HTTP side.
"""

"""pycurl: libcurl's multi interface, 50 handles that are used again and again.

python multi_curl.py JOB RESULTS ORIGIN
"""

import json
import sys
from io import BytesIO

import pycurl

HEADERS = [
    "SecureURL: https://bench.example",
    "PrivateKey: bench-key",
    "Token: bench-token",
    "Content-Type: application/json",
]


def main(job: str, results: str, origin: str) -> None:
    with open(job) as file:
        lines = [json.loads(line) for line in file]
    multi = pycurl.CurlMulti()
    free = [pycurl.Curl() for _ in range(50)]
    for handle in free:
        handle.setopt(pycurl.URL, f"{origin}/3dCartWebAPI/v1/Cart")
        handle.setopt(pycurl.HTTPHEADER, HEADERS)
    started, ended = 0, 0
    at_work: dict[pycurl.Curl, tuple[int, BytesIO]] = {}
    with open(results, "w") as file:
        while ended < len(lines):
            while free and started < len(lines):
                handle, body = free.pop(), BytesIO()
                handle.setopt(pycurl.POSTFIELDS, json.dumps(lines[started]["data"]))
                handle.setopt(pycurl.WRITEDATA, body)
                started += 1
                at_work[handle] = (started, body)
                multi.add_handle(handle)
            while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
                pass
            _, good, bad = multi.info_read()
            for handle in [*good, *(one for one, _, _ in bad)]:
                number, body = at_work.pop(handle)
                answer = json.loads(body.getvalue())
                status = handle.getinfo(pycurl.RESPONSE_CODE)
                file.write(json.dumps({"line": number, "status": status, "body": answer}) + "\n")
                multi.remove_handle(handle)
                free.append(handle)
                ended += 1
            if not good and not bad:
                multi.select(1.0)


main(*sys.argv[1:])

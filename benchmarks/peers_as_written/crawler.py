"""Scrapy, a spider that posts each line and exports the answers as JSON lines.

python crawler.py JOB RESULTS ORIGIN
"""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import JsonRequest

HEADERS = {"SecureURL": "https://bench.example", "PrivateKey": "bench-key", "Token": "bench-token"}


class CartSpider(scrapy.Spider):  # type: ignore[misc]  # installed in an environment of its own
    name = "carts"

    def __init__(self, job: str, origin: str) -> None:
        super().__init__()
        self.job = job
        self.url = f"{origin}/3dCartWebAPI/v1/Cart"

    async def start(self) -> AsyncIterator[Any]:
        with open(self.job) as file:
            for number, line in enumerate(file, 1):
                data = json.loads(line)["data"]
                yield JsonRequest(self.url, data=data, headers=HEADERS, dont_filter=True, cb_kwargs={"number": number})

    def parse(self, response: Any, number: int) -> Iterator[dict[str, Any]]:
        yield {"line": number, "status": response.status, "body": response.json()}


def main(job: str, results: str, origin: str) -> None:
    process = CrawlerProcess(
        {
            "CONCURRENT_REQUESTS": 50,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 50,
            "DOWNLOAD_DELAY": 0,
            "ROBOTSTXT_OBEY": False,
            "LOG_LEVEL": "WARNING",
            "TELNETCONSOLE_ENABLED": False,
            "FEEDS": {results: {"format": "jsonlines"}},
        }
    )
    process.crawl(CartSpider, job=job, origin=origin)
    process.start()


main(*sys.argv[1:])

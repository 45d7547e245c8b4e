"""A shop that is moved, walled off or otherwise not itself burns a handful of lines; the others stay open."""

from pathlib import Path

import pytest
from workshop import Line, Shops, Workshop

from batchcart.model.http import Request

PRODUCTS = {
    "3dcart": {},
    "tray": {"product_id": "7", "quantity": 1},
    "shoplo": {"variant_id": 7, "quantity": 1},
}
PLATFORMS = sorted(PRODUCTS)


def creates(platform: str, count: int = 60) -> list[Line]:
    return [
        {"op": "cart.create", "account": f"local-{platform}", "cart": f"c{number}", "data": PRODUCTS[platform]}
        for number in range(count)
    ]


@pytest.mark.parametrize("platform", ["tray", "shoplo"])
@pytest.mark.parametrize("answer", ["page-403", "page-404", "page-405", "page-200", "redirect-301", "redirect-302"])
def test_what_answers_everything_and_is_not_the_platform_closes_the_account(
    tmp_path: Path, platform: str, answer: str
) -> None:
    def script(_account: str, _request: Request) -> str:
        return answer

    shops = Shops(script)
    ended = Workshop(tmp_path, creates(platform), shops, concurrency=8).run()
    account = ended.summary.accounts[f"local-{platform}"]
    assert ended.summary.exit_code == 3
    assert account.state == "foreign"
    assert account.counts["not_attempted"] == 60
    assert "check the account's address" in account.reason
    assert len(shops.said) < 20

"""One operation from its past to its ending: what a new process makes of what an old one left in the journal."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from engine_harness import RUN, Harness, Line, plan_job
from in_memory_shops import EPOCH, Shops

from batchcart.engine.chain_state import ChainState
from batchcart.journal.codec import encode_loss, encode_request, encode_response
from batchcart.journal.schema import open_existing
from batchcart.journal.writer import JournalFailed
from batchcart.model.http import Request, Response
from batchcart.model.operation import Operation, OperationKind
from batchcart.runs.paths import journal_path

KEY = (
    ChainState(RUN, 1).context(Operation(1, OperationKind.CART_CREATE, "local-tray", "c")).generated_key
)  # the harness's run
BODY = b'{"Cart":{"session_id":"%s","product_id":"7","quantity":2}}' % KEY.encode()
CREATE = Request("POST", "/carts", body=BODY)
ADD: Line = {
    "op": "cart.create",
    "account": "local-tray",
    "cart": "c",
    "data": {"product_id": "7", "quantity": 2},
}
CREATED = Response(201, b'{"message":"Created","code":201,"id":"5","session_id":"%s"}' % KEY.encode())


def begun(folder: Path, shops: Shops, *sends: tuple[Request, str, tuple[object, ...]], line: Line = ADD) -> Harness:
    """A run whose first process died after these sends: request, state, answer."""
    shop = Harness(folder, [line], shops)
    plan_job(shop)
    with closing(open_existing(journal_path(shop.results))) as journal:
        for number, (request, state, row) in enumerate(sends, 1):
            journal.execute(
                "INSERT INTO send VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, EPOCH + 990 + number, state, encode_request(request, number), *row),
            )
    return shop


def test_an_answer_that_stands_in_the_journal_is_not_asked_for_again(tmp_path: Path) -> None:
    shops = Shops()
    ended = begun(tmp_path, shops, (CREATE, "answered", encode_response(CREATED))).run()
    assert ended.results[0]["status"] == "ok"
    assert ended.results[0]["cart_id"] == KEY
    assert shops.seen == []


def test_an_add_without_an_answer_is_looked_for_before_it_is_sent_again(tmp_path: Path) -> None:
    shops = Shops()
    ended = begun(tmp_path, shops, (CREATE, "sent", encode_loss(""))).run()
    assert [seen.request.method for seen in shops.seen][:3] == ["GET", "GET", "POST"]
    assert ended.results[0]["status"] == "ok"
    assert ended.results[0]["attempts"] == 2


def test_a_shop_is_given_time_to_act_on_what_was_under_way_before_it_is_asked(tmp_path: Path) -> None:
    shops = Shops()
    shop = begun(tmp_path, shops)
    with closing(open_existing(journal_path(shop.results))) as journal:
        journal.execute(
            "INSERT INTO send VALUES (1, 1, ?, 'sent', ?, NULL, NULL, NULL, NULL)",
            (EPOCH + 1000, encode_request(CREATE, 1)),
        )
    shop.run()
    assert shops.seen[0].at >= 1001


def test_the_first_request_is_sent_again_with_the_body_that_its_line_makes(tmp_path: Path) -> None:
    update: Line = {"op": "cart.update", "account": "local-tray", "cart_id": KEY, "data": {"email": "a@example.com"}}
    request = Request("PUT", f"/carts/{KEY}", body=b'{"Cart":{"email":"a@example.com"}}')
    shops = Shops()
    shop = begun(tmp_path, shops, (request, "sent", encode_loss("")), line={**update, "cart": "c"})
    assert b"example.com" not in journal_path(shop.results).read_bytes()
    shop.run()
    assert [json.loads(seen.request.body) for seen in shops.seen] == [json.loads(request.body)]


@pytest.mark.parametrize("email", ["a@example.com", "another@example.com"])
def test_a_first_request_of_an_older_journal_is_taken_only_as_its_line_makes_it(tmp_path: Path, email: str) -> None:
    shops, update = Shops(), b'{"Cart":{"email": "%s"}}' % email.encode()
    line: Line = {"op": "cart.update", "account": "local-tray", "cart_id": KEY, "data": {"email": "a@example.com"}}
    shop = begun(tmp_path, shops, line=line)
    whole = encode_request(Request("PUT", f"/carts/{KEY}", body=update), 2)
    with closing(open_existing(journal_path(shop.results))) as journal:
        journal.execute("INSERT INTO send VALUES (1, 1, ?, 'sent', ?, NULL, NULL, NULL, NULL)", (EPOCH + 990, whole))
    shop.run()
    assert [seen.request.body for seen in shops.seen] == ([update] if email == "a@example.com" else [])


def test_an_add_that_was_sent_when_more_was_known_of_its_cart_is_looked_for(tmp_path: Path) -> None:
    shops = Shops()
    add: Line = {"op": "item.add", "account": "local-tray", "cart_id": KEY, "data": {"product_id": "7", "quantity": 2}}
    ended = begun(tmp_path, shops, (CREATE, "sent", encode_loss("")), line=add).run()
    assert ended.failure is None
    assert shops.seen[0].request.method == "GET"
    assert [result["line"] for result in ended.results] == [1]


def test_a_first_request_that_is_made_otherwise_now_stops_the_account_in_words(tmp_path: Path) -> None:
    shops = Shops()
    shop = begun(tmp_path, shops, (Request("POST", "/carts/of/old", body=BODY), "sent", encode_loss("")))
    ended = shop.run()
    account = ended.summary.accounts["local-tray"]
    assert "'POST /carts/of/old' was sent for line 1, and the line does not lead to that" in account.reason
    assert (account.state, account.counts["not_attempted"], ended.summary.exit_code) == ("stopped", 1, 3)
    assert shops.seen == []


@pytest.mark.parametrize("state", ["sent", "lost", "failing", "answered", "void"])
def test_a_later_request_that_its_line_does_not_lead_to_is_not_taken(tmp_path: Path, state: str) -> None:
    shops, row = Shops(), encode_loss("") if state in {"sent", "lost"} else encode_response(Response(500))
    other = Request("DELETE", "/carts/of-somebody-else")
    ended = begun(tmp_path, shops, (CREATE, "sent", encode_loss("")), (other, state, row)).run()
    assert "'DELETE /carts/of-somebody-else' was sent" in ended.summary.accounts["local-tray"].reason
    assert shops.seen == []


def test_a_repeatable_write_without_an_answer_is_simply_sent_again(tmp_path: Path) -> None:
    update: Line = {"op": "cart.update", "account": "local-tray", "cart_id": KEY, "data": {"email": "a@example.com"}}
    request = Request("PUT", f"/carts/{KEY}", body=b'{"Cart":{"email":"a@example.com"}}')
    shops = Shops()
    begun(tmp_path, shops, (request, "sent", encode_loss("")), line={**update, "cart": "c"}).run()
    assert [seen.request.method for seen in shops.seen] == ["PUT"]


def test_a_read_without_an_answer_leaves_nothing_behind(tmp_path: Path) -> None:
    read: Line = {"op": "cart.get", "account": "local-tray", "cart": "c", "cart_id": KEY}
    shops = Shops()
    ended = begun(tmp_path, shops, (Request("GET", f"/carts/{KEY}"), "sent", encode_loss("")), line=read).run()
    assert len(shops.seen) == 1
    assert ended.results[0]["attempts"] == 2


def test_a_write_that_was_never_sent_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    shops = Shops()
    begun(tmp_path, shops, (CREATE, "void", encode_loss("refused"))).run()
    assert [seen.request.method for seen in shops.seen] == ["POST"]


@pytest.mark.parametrize("harm", ["state = 'senf'", "request = '[1'", "request = 'x'"])
def test_a_past_that_cannot_be_read_stops_the_run_before_anything_is_sent(tmp_path: Path, harm: str) -> None:
    shops = Shops()
    shop = begun(tmp_path, shops, (CREATE, "sent", encode_loss("")))
    with closing(open_existing(journal_path(shop.results))) as journal:
        journal.execute(f"UPDATE send SET {harm}")
    ended = shop.run()
    assert isinstance(ended.failure, JournalFailed)
    assert "damaged" in str(ended.failure)
    assert shops.seen == []


def test_a_job_line_that_changed_under_way_is_not_sent(tmp_path: Path) -> None:
    job = tmp_path / "job.jsonl"
    second: Line = {"op": "item.add", "account": "local-tray", "cart": "c", "data": {"product_id": "8", "quantity": 2}}

    def change(_account: str, _request: Request) -> str:
        job.write_text(job.read_text().replace('"8", "quantity": 2', '"8", "quantity": 3'))
        return ""

    blank = " " * 100_000  # longer than what is read ahead
    job.write_text(f"{json.dumps(ADD)}\n{blank}\n{json.dumps(second)}\n")
    shops = Shops(change)
    ended = Harness(tmp_path, [ADD, second], shops).run()
    assert "line 3 is not what it was" in str(ended.failure)
    assert [result["status"] for result in ended.results] == ["ok"]
    assert len(shops.seen) == 1


def test_a_result_says_when_it_was_sent_how_often_and_what_came_back(tmp_path: Path) -> None:
    faults = iter(["500-before", "429", "html-502"])
    read: Line = {"op": "cart.get", "account": "local-tray", "cart": "c", "cart_id": KEY, "id": "mine"}
    ended = Harness(tmp_path, [read], Shops(lambda _account, _request: next(faults, ""))).run()
    result = ended.results[0]
    assert result["attempts"] == 4
    assert result["id"] == "mine"
    assert result["sent_at"] == "2027-01-15T08:16:40.000Z"
    assert result["elapsed_ms"] > 100
    assert json.loads((tmp_path / "results.jsonl").read_text()) == result
